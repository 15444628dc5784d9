// What is asked about a placement of this page view: a request's fields, as edge/decision/
// request_json.py defines them.  With full consent the unit is the page's visitor, or one that this
// browser keeps; else it is the page view.
import { randomName } from "./beginView.js";
import { readState } from "./countExposure.js";
import { keep, mayKeep, recall } from "./keep.js";
import { localeOf } from "./localeOf.js";

const visitorOf = (page) => {
  if (page.settings.visitor) return page.settings.visitor;
  const kept = recall(page, "visitor");
  if (/^[0-9a-f]{32}$/.test(kept)) return kept;
  page.visitor ??= randomName(); // where nothing can be kept, it is this page's
  keep(page, "visitor", page.visitor);
  return page.visitor;
};

export const requestFor = (page, placement) => {
  const { settings, view } = page, full = mayKeep(page);
  return {
    visitor: full ? visitorOf(page) : null,
    customer: full && settings.customer || null,
    nonce: view.nonce,
    locale: localeOf(page),
    consent: page.consent || "contextual",
    now_s: Math.floor(Date.now() / 1000),
    placements: [placement],
    taken: view.taken,
    attributes: settings.attributes,
    state: full ? readState(page) : null,
  };
};
