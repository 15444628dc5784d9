// What a page says in <script type="application/json" id="proffer">; index.d.ts lists the fields.
// Whatever is wrong there is as if it were missing: pages fail open.
import { bytesOf } from "./bytesOf.js";

const read = (text) => {
  try { return JSON.parse(text) ?? {}; } catch { return {}; }
};

const decoded = (base64) => {
  try { return base64 ? bytesOf(base64) : null; } catch { return null; }
};

export const readSettings = (text) => {
  const said = text ? read(text) : {};
  return {
    edge: "/_proffer/decide", confirm: "/_proffer/confirm", beacon: "/_proffer/beacon", hosts: [], attributes: {}, wait_ms: 150,
    exposure_ms: 1000, ...said, manifest: decoded(said.manifest), bundle: decoded(said.bundle),
  };
};
