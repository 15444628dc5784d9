// What the browser keeps between pages: data, never code, and only with full consent.  Everything
// that comes back is hostile until its reader has checked it.

const PREFIX = "proffer.";

const quietly = (act) => {
  try { return act(); } catch { return null; } // full, forbidden, or not there
};

export const mayKeep = (page) => page.consent === "full";

export const keep = (page, name, text) =>
  mayKeep(page) && quietly(() => (localStorage.setItem(PREFIX + name, text), true)) === true;

export const recall = (page, name) =>
  mayKeep(page) ? quietly(() => localStorage.getItem(PREFIX + name)) : null;

export const drop = (name) => { quietly(() => localStorage.removeItem(PREFIX + name)); };

export const keptNames = (page, prefix) => mayKeep(page)
  ? (quietly(() => Object.keys(localStorage)) ?? []).filter((key) => key.startsWith(PREFIX + prefix))
    .map((key) => key.slice(PREFIX.length))
  : [];

// All of it, whatever the consent is by now.
export const forgetAll = () => quietly(() => {
  for (const key of Object.keys(localStorage)) if (key.startsWith(PREFIX)) localStorage.removeItem(key);
});
