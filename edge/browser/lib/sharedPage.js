// What our scripts on one page share, however many of them there are and whichever comes first.
//
//   slots     the <proffer-slot> elements that are in the page
//   settings  what the page says (readSettings.js)
//   consent   "full", "contextual", "none", or "" while nobody said anything
//   view      one page view: what was decided in it, and what it took (beginView.js)
//   decide    how a placement is decided now, or undefined: defaults only
//   watch     what to do with a slot that has been decided (page.js), or undefined until it loads
import { readConsent } from "./readConsent.js";
import { readSettings } from "./readSettings.js";
import { beginView } from "./beginView.js";

const HERE = Symbol.for("proffer.page");

export const sharedPage = () => {
  if (document[HERE]) return document[HERE];
  const settings = readSettings(document.getElementById("proffer")?.textContent);
  const page = {
    slots: new Set(), settings, word: undefined,
    get consent() { return this.word ??= readConsent(settings); }, // asks for cookies: only if need be
    set consent(word) { this.word = word; },
  };
  document[HERE] = page;
  beginView(page);
  return page;
};
