// Gets events to the edge whatever becomes of the page.
//
//   while it stays   in batches after two seconds, again and again until they are stored
//   when it goes     sendBeacon, else a fetch that outlives it
//   afterwards       with full consent every event waits in storage, under its own name (so tabs
//                    never overwrite each other), until an answer says that it is stored; the next
//                    page sends what is left.  The edge counts an event once however often it comes.
//
// What an edge finds too large goes again in halves; an event that is too large alone is dropped, and
// `dropped` on the page's object counts it.  Any other refusal is for good: nothing is sent for ever.
import { drop, keep, keptNames, recall } from "./keep.js";
import { isTooLarge, splitBatches } from "./splitBatches.js";

const TYPE = "application/cloudevents-batch+json";
const SOON_MS = 2000, RETRIES = 6, AGAIN = [408, 429], TOO_LARGE = 413, QUEUE = "event.";
const KEPT_EVENTS = 200, LIFE_S = 86_400;

const quietly = (act) => { try { return act(); } catch { return undefined; } };

const uuid = () => crypto.randomUUID?.() ?? [...crypto.getRandomValues(new Uint8Array(16))]
  .map((byte) => byte.toString(16).padStart(2, "0")).join("");

const withoutReceipt = (event) => ({ ...event, data: { ...event.data, receipt: "" } });

export const sendEvents = (page) => {
  const url = page.settings.beacon;
  let queue = [], timer = 0, failed = 0;

  const remember = (event) => {
    if (keptNames(page, QUEUE).length < KEPT_EVENTS) keep(page, QUEUE + event.id, JSON.stringify(event));
  };
  const settle = (events) => events.forEach(({ id }) => drop(QUEUE + id));

  const countDropped = () => { page.dropped = (page.dropped ?? 0) + 1; };

  // Whether these events are done with.
  const post = async ({ body, events }) => {
    const { status } = await fetch(url, { method: "POST", body, headers: { "Content-Type": TYPE }, keepalive: true });
    if (status === TOO_LARGE) return postHalves(events);
    return status < 500 && !AGAIN.includes(status);
  };

  const postHalves = async (events) => {
    if (events.length < 2) return countDropped(), true;
    const half = events.length >> 1;
    let well = true;
    for (const some of [events.slice(0, half), events.slice(half)])
      for (const batch of batchesOf(some)) well = await post(batch) && well;
    return well;
  };

  const batchesOf = (events) => splitBatches(events.map((event) => JSON.stringify(event)))
    .map(({ body, indexes }) => ({ body, events: indexes.map((index) => events[index]) }));

  const send = async () => {
    timer = 0;
    const events = queue;
    queue = [];
    let well = true;
    for (const batch of quietly(() => batchesOf(events)) ?? []) {
      if (well && await post(batch).catch(() => false)) settle(batch.events);
      else {
        well = false;
        if (failed < RETRIES - 1) queue.push(...batch.events);
      }
    }
    failed = well ? 0 : failed + 1;
    if (queue.length) timer ||= setTimeout(send, SOON_MS << failed);
  };

  const leave = () => quietly(() => {
    const events = queue;
    queue = [];
    for (const batch of batchesOf(events)) {
      const beacon = () => navigator.sendBeacon(url, new Blob([batch.body], { type: TYPE }));
      if (!quietly(beacon)) post(batch).then((stored) => stored && settle(batch.events), () => {});
    }
  });

  const add = (event) => {
    if (isTooLarge(JSON.stringify(event))) return countDropped();
    queue.push(event);
    remember(event);
    timer ||= setTimeout(send, SOON_MS);
  };

  // What earlier pages may not have told.  Their receipts may have arrived, and would count twice.
  const resume = () => quietly(() => {
    const oldest_s = Date.now() / 1000 - LIFE_S;
    for (const name of keptNames(page, QUEUE)) {
      const event = quietly(() => JSON.parse(recall(page, name)));
      if (name === QUEUE + event?.id && event.data?.time_s > oldest_s) queue.push(withoutReceipt(event));
      else drop(name);
    }
    if (queue.length) timer ||= setTimeout(send, SOON_MS);
  });

  return {
    leave, resume,
    tell: (type, data, id) => quietly(() => add({ specversion: "1.0", id: id ?? uuid(), source: "/page", type, data })),
  };
};
