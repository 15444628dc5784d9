// The decision log on its way to the control plane: queued, batched, tried again.  edge/outbox.py.
//
// Logging never waits and never fails.  A worker has no life between requests: the push hangs on the
// request that found the queue empty (`waitUntil`), waits for others to join, and sends them all.
import { toHex, utf8 } from "./hashing.js";
import { Refused } from "./delivering.js";
import { sleep } from "./waiting.js";

const QUEUE_LIMIT = 10_000, BATCH_EVENTS = 200, BATCH_WAIT_S = 0.25;
const BATCH_LIMIT_BYTES = 512 << 10, EVENT_LIMIT_BYTES = 64 << 10;
const PUSH_S = 60; // a push of which nothing was heard for so long was lost with its request

export class Outbox {
  // `deliver(events)`: throws Refused, or anything else while it does not work.
  constructor(deliver, hmac, tenant) {
    this.tally = { sent: 0, dropped_full: 0, dropped_large: 0, dropped_refused: 0, failures: 0 };
    this.deliver = deliver;
    this.hmac = hmac;
    this.tenant = tenant;
    this.envelope = "";
    this.queue = [];
    this.underWay = new Map(); // deadline of each push -> what it took
    this.waitingUntil = 0;
  }

  get size() { return this.queue.length; }

  // Queue a decision's record; `decision` is the id of its first slot, hexadecimal.
  log(decision, record) {
    this.envelope ||= envelopeOf(this.tenant);
    if (this.sizeOf(record) > EVENT_LIMIT_BYTES) {
      this.tally.dropped_large++;
      console.error(`a record of ${record.length} bytes makes too large an event and was dropped`);
    } else if (this.queue.length >= QUEUE_LIMIT) {
      if (this.tally.dropped_full++ % 1000 === 0) console.error("the decision log is full; records are being dropped");
    } else this.queue.push([decision, record]);
  }

  sizeOf(record) { return 260 + utf8(this.envelope).length + 4 * Math.ceil(record.length / 3); }

  // A promise for `waitUntil`, or null if nothing is to be done by this request.
  due() {
    const nowMs = Date.now();
    this.takeBack(nowMs);
    if (!this.queue.length || nowMs < this.waitingUntil) return null;
    this.waitingUntil = nowMs + 1000 * PUSH_S;
    return this.pushSoon();
  }

  async pushSoon() {
    await sleep(BATCH_WAIT_S);
    this.waitingUntil = 0; // who logs from here on pushes by itself
    await this.push();
  }

  // Send what is queued, each batch once.
  async push() {
    while (this.queue.length) {
      const batch = this.nextBatch(), key = {};
      this.underWay.set(key, [Date.now() + 1000 * PUSH_S, batch]);
      const done = await this.try(batch);
      if (this.underWay.delete(key) && !done) this.queue.unshift(...batch);
      if (!done) return;
    }
  }

  takeBack(nowMs) {
    for (const [key, [deadlineMs, batch]] of this.underWay)
      if (nowMs >= deadlineMs && this.underWay.delete(key)) this.queue.unshift(...batch);
  }

  nextBatch() {
    let size = 2, count = 0;
    for (const [, record] of this.queue) {
      size += this.sizeOf(record) + 1;
      if (count === BATCH_EVENTS || (count && size > BATCH_LIMIT_BYTES)) break;
      count++;
    }
    return this.queue.splice(0, count);
  }

  // Whether these are done with: taken, or refused for good.
  async try(batch) {
    try {
      await this.deliver(batch.map(([decision, record]) => this.eventOf(decision, record)));
      this.tally.sent += batch.length;
    } catch (error) {
      if (!(error instanceof Refused)) {
        this.tally.failures++;
        console.warn(`${batch.length} records wait to be sent again: ${error.message}`);
        return false;
      }
      this.tally.dropped_refused += batch.length;
      console.error(`${batch.length} records were refused: ${error.message}`);
    }
    return true;
  }

  // The CloudEvent of a record, attested by this edge: a JSON text.
  eventOf(decision, record) {
    const mac = toHex(this.hmac.of(record));
    return `{"specversion":"1.0","id":"${decision}"${this.envelope}${toBase64(record)}","mac":"${mac}"},` +
      '"time":null,"subject":null,"datacontenttype":"application/json","useragent":null}';
  }
}

// Its source tells edges apart.  Made at the first record: workers have no chance before their first request.
const envelopeOf = (tenant) => {
  const name = toHex(crypto.getRandomValues(new Uint8Array(8)));
  return `,"source":${JSON.stringify(`/edge/${tenant}/${name}`)},"type":"shop.proffer.decision","data":{"record":"`;
};

const toBase64 = (bytes) => {
  if (bytes.toBase64) return bytes.toBase64();
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
};
