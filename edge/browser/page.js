// The page script, /_proffer/page.js: what happens once a page is there.  It tells what was seen and
// followed, decides slots that come later, confirms what visitors accept, and listens to the page's
// consent tool.  The page never notices: it keeps its handlers, and no error reaches it.
import { acceptOffer } from "./lib/acceptOffer.js";
import { afterFirst } from "./lib/afterFirst.js";
import { afterPaint } from "./lib/afterPaint.js";
import { askEdge } from "./lib/askEdge.js";
import { beginView } from "./lib/beginView.js";
import { defineSlot } from "./lib/defineSlot.js";
import { reportSlot } from "./lib/reportSlot.js";
import { sendEvents } from "./lib/sendEvents.js";
import { settleConsent } from "./lib/settleConsent.js";
import { sharedPage } from "./lib/sharedPage.js";
import { tellRecords } from "./lib/tellRecords.js";
import { watchConsent } from "./lib/watchConsent.js";
import { watchNavigation } from "./lib/watchNavigation.js";
import { watchVisible } from "./lib/watchVisible.js";

const quietly = (act) => { try { return act(); } catch { return undefined; } };

// At once: what a framework draws anew must find the element defined and the edge's slots known.
const define = (page) => afterFirst(page, () => quietly(() => {
  page.decide ??= askEdge(page);
  defineSlot(page);
}));

// Once the page has been painted: all the rest.
const listen = (page) => {
  const events = sendEvents(page), senders = [events, quietly(() => tellRecords(page))].filter(Boolean);
  const leave = () => senders.forEach((sender) => sender.leave());
  reportSlot(page, watchVisible(), events);
  page.slots.forEach((slot) => quietly(() => page.watch(slot)));
  document.addEventListener("visibilitychange", () => document.hidden && leave());
  addEventListener("pagehide", leave);
  quietly(() => acceptOffer(page));
  quietly(() => watchNavigation(() => quietly(() => beginView(page))));
  quietly(() => watchConsent(page.settings, (said) => quietly(() => settleConsent(page, said))));
  events.resume();
};

quietly(() => {
  const page = sharedPage();
  if (page.listens) return; // two copies would tell everything twice
  page.listens = true;
  define(page);
  afterPaint(() => quietly(() => listen(page)));
});
