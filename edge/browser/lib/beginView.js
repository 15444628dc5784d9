// Begins a page view: a page load, or what a single-page shop calls a page.  What was decided
// before stays where it stands; what comes from now on is decided anew.

const hex = (size) => Array.from(crypto.getRandomValues(new Uint8Array(size)),
  (byte) => byte.toString(16).padStart(2, "0")).join("");

export const randomName = () => hex(16);

// `waiting`: per placement the decisions that no element has taken yet; `given`: those that one has.
export const beginView = (page) => {
  page.view = { nonce: randomName(), waiting: new Map(), given: new Map(), taken: [], failed: false };
};
