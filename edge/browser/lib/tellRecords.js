// Sends the records of decisions that were taken in the page.  They are unattested: measurement may
// use them, nobody trusts them for money.  Only where the page names an address that takes them
// (`records`), which is the control plane's: the edge tells its own decisions and takes none of others.
import { packRecord } from "./packRecord.js";
import { sendEvents } from "./sendEvents.js";

const base64 = (bytes) => {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
};

export const tellRecords = (page) => {
  if (!page.settings.records) return null;
  const events = sendEvents({
    ...page, settings: { beacon: page.settings.records },
    get consent() { return "contextual"; },
    get dropped() { return page.dropped; }, set dropped(count) { page.dropped = count; },
  });
  const tell = (first, digest, manifest, request, verdict) => events.tell("shop.proffer.decision",
    { record: base64(packRecord(digest, manifest, request, verdict)), mac: "" }, first.decision);
  const early = page.records ?? [];
  page.recorded = tell;
  early.forEach((given) => tell(...given));
  return events;
};
