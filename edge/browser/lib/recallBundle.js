// The bundle that an earlier view stored, if it is the one that this page names by its SHA-256.
// Storage is hostile, so the bytes are hashed before every use, by the kernel, at once.
import { bytesOf } from "./bytesOf.js";
import { drop, keep, recall } from "./keep.js";

const NAME = "bundle";

const hexOf = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

// `sha256`: bytes -> 32 bytes, synchronous.
export const recallBundle = (page, sha256) => {
  const wanted = page.settings.sha256, kept = wanted && recall(page, NAME);
  if (!kept) return null;
  try {
    const bytes = bytesOf(kept);
    if (hexOf(sha256(bytes)) === wanted) return bytes;
  } catch { /* no base64 */ }
  drop(NAME);
  return null;
};

// Fetches the bundle that the page names, for later views; never for the one that is being shown.
export const storeBundle = async (page, sha256) => {
  const { url, sha256: wanted } = page.settings;
  if (!url || !wanted || recallBundle(page, sha256)) return false;
  const answer = await fetch(url, { credentials: "omit" });
  const bytes = new Uint8Array(await answer.arrayBuffer());
  if (!answer.ok || hexOf(sha256(bytes)) !== wanted) return false;
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return keep(page, NAME, btoa(text));
};
