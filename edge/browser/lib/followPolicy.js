// Brings the newest signed policy into a page that lives long, such as a single-page shop: next roots,
// one by one, the manifest, and the bundle, each believed by the checks of edge/decision/trust.py, in
// their order (trust.js).  What is decided from then on is decided with it; what stands, stands.
//
//   const manifest = await followPolicy(page, { tenant, channel, root, files: "/proffer-files/", kernel });
//
// `root`: bytes of the root that the page pins; `files`: where the control plane's signed files are
// served, at /v1/ there; `kernel`: kernel.js.  Throws a TrustError for what is refused, and whatever
// fetch throws.  Then nothing changes: the policy in use goes on until it expires, and then decides
// STALE.  The floor (the newest manifest that this browser has run) is kept in IndexedDB; without
// consent a rollback is bounded by the manifest's life, an hour.
import { manifestBlock } from "../../javascript/manifest.js";
import { SIZE_LIMIT_BYTES, Trust, floorOf, toHex } from "../trust.js";
import { askKernel } from "./askKernel.js";
import { keepFile, recallFile } from "./keepFile.js";
import { requestFor } from "./requestFor.js";
import { sha256With } from "./sha256With.js";

const PROJECTION = "browser", ROOTS_LIMIT = 64, SEPARATOR = "\x1f";
const encoder = new TextEncoder();

// A body of at most so many bytes, or null for a 404; an endless one is cut off.
const fetchFile = async (address, limit_bytes) => {
  const answer = await fetch(address, { credentials: "omit", cache: "no-cache" });
  if (answer.status === 404) return null;
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  const parts = [], reader = answer.body.getReader();
  let size = 0;
  for (let next; !(next = await reader.read()).done; parts.push(next.value))
    if ((size += next.value.length) > limit_bytes) {
      parts.push(next.value);
      await reader.cancel();
      break;
    }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
};

const wordOf = (sha256, text) => new DataView(sha256(encoder.encode(text)).buffer).getUint32(0);

// Releases own consecutive intervals of tickets, in the manifest's order.
const pickRelease = ({ releases, ramp }, sha256, unit) => {
  let ticket = wordOf(sha256, ["canary", ramp, unit].join(SEPARATOR)) >>> 12;
  for (const release of releases) {
    if (ticket < release.share) return release;
    ticket -= release.share;
  }
  return releases[0];
};

const newestRoot = async (trust, pinned, files) => {
  let root = await trust.pinRoot(pinned);
  for (let i = 0; i < ROOTS_LIMIT; i++) {
    const raw = await fetchFile(`${files}v1/keys/root.${root.version + 1}.jws`, SIZE_LIMIT_BYTES);
    if (!raw) break;
    root = await trust.acceptRoot(root, raw);
  }
  return root;
};

const recalledFloor = async (page, trust, root, path, channel) => {
  const kept = await recallFile(page, path);
  if (!kept) return null;
  try { return await trust.recallFloor(root, kept, channel, PROJECTION); } catch { return null; }
};

const higher = (a, b) => (!a || b && (b.epoch - a.epoch || b.sequence - a.sequence) > 0 ? b : a);

export const followPolicy = async (page, { tenant, channel, root: pinned, files, kernel }) => {
  const trust = new Trust(undefined, tenant), sha256 = sha256With(kernel.module);
  const root = await newestRoot(trust, pinned, files), path = `channels/${channel}/${PROJECTION}.jws`;
  const floor = higher(page.floor, await recalledFloor(page, trust, root, path, channel));
  const raw = await fetchFile(`${files}v1/${path}`, SIZE_LIMIT_BYTES);
  if (!raw) throw new Error(`there is no ${path}`);
  const manifest = await trust.acceptManifest(root, floor, raw, Math.floor(Date.now() / 1000), channel, PROJECTION);
  const { visitor, nonce } = requestFor(page, "");
  const release = pickRelease(manifest, sha256, visitor ?? nonce);
  const bundle = await fetchFile(`${files}v1/bundles/${release.bundle}`, release.size_bytes) ?? new Uint8Array(0);
  const policy = await trust.acceptBundle(manifest, release, bundle, (bytes) => kernel.open(bytes));
  const keyOf = (text) => wordOf(sha256, text);
  page.floor = floorOf(manifest);
  page.settings.manifest = manifestBlock(manifest, { keyOf });
  page.policy = policy;
  page.decide = askKernel(page, policy);
  await keepFile(page, path, raw);
  return { ...page.floor, digest: toHex(manifest.digest) };
};
