// What survives an isolate: signed files, in a KV namespace or wherever a store puts them.  A store
// has get(path) -> bytes or null, and put(path, bytes).
import { fromBase64url } from "../browser/claims.js";
import { HostError } from "./sources.js";
import { describe, within } from "./waiting.js";

const PATIENCE_S = 10, BUNDLES_KEPT_S = 90 * 86400;

export const namespaceStore = (namespace) => ({
  async get(path) {
    const found = await namespace.get(path, "arrayBuffer");
    return found && new Uint8Array(found);
  },
  put(path, bytes) {
    return namespace.put(path, bytes, path.startsWith("bundles/") ? { expirationTtl: BUNDLES_KEPT_S } : {});
  },
});

// Whether to write this over what is kept.  Every isolate saves, and writes are few and dear.  An
// isolate that is behind must not lower the floor under the others'.
const isNews = (signed, kept) => {
  if (!kept || isEqual(signed, kept)) return !kept;
  const ours = placeOf(signed), theirs = placeOf(kept);
  if (!ours || !theirs) return true;
  return (ours.epoch - theirs.epoch || ours.sequence - theirs.sequence) > 0;
};

// Epoch and sequence of a manifest; null for other files.
const placeOf = (signed) => {
  const parts = new TextDecoder("latin1").decode(signed).split(".");
  const payload = parts.length === 3 ? fromBase64url(parts[1]) : null;
  try {
    const { epoch, sequence } = JSON.parse(new TextDecoder().decode(payload));
    return Number.isSafeInteger(epoch) && Number.isSafeInteger(sequence) ? { epoch, sequence } : null;
  } catch { return null; }
};

const isEqual = (a, b) => a.length === b.length && a.every((byte, i) => byte === b[i]);

// Without a store nothing survives.  Throws a HostError.
export class Keeper {
  constructor(store) { this.store = store; }

  async load(path) {
    if (!this.store) return null;
    try {
      return await within(PATIENCE_S, this.store.get(path));
    } catch (error) { throw new HostError(`${path} cannot be read: ${describe(error)}`); }
  }

  async save(path, bytes) {
    if (!this.store) return;
    if (!isNews(bytes, await this.load(path))) return;
    try {
      await within(PATIENCE_S, this.store.put(path, bytes));
    } catch (error) { throw new HostError(`${path} cannot be saved: ${describe(error)}`); }
  }
}
