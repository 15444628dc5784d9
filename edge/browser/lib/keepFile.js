// Signed files that outlive a page, in IndexedDB, and only with full consent.  They are verified
// again whenever they are read.  Where nothing can be kept, nothing is.
import { mayKeep } from "./keep.js";

const DATABASE = "proffer", STORE = "files";

const settled = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = request.onblocked = () => reject(request.error ?? new Error("blocked"));
});

const inStore = async (mode, act) => {
  const opening = indexedDB.open(DATABASE, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
  const database = await settled(opening);
  try {
    return await settled(act(database.transaction(STORE, mode).objectStore(STORE)));
  } finally { database.close(); }
};

export const keepFile = async (page, path, bytes) => {
  if (mayKeep(page)) await inStore("readwrite", (store) => store.put(bytes, path)).catch(() => {});
};

export const recallFile = async (page, path) => {
  const found = mayKeep(page) && await inStore("readonly", (store) => store.get(path)).catch(() => null);
  return found instanceof Uint8Array ? found : null;
};

export const forgetFiles = () => { try { indexedDB.deleteDatabase(DATABASE); } catch { /* there is none */ } };
