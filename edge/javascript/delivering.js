// Events on their way to the control plane, through a queue if there is one.  They are safe once the
// queue has them, or the control plane.
import { utf8 } from "./hashing.js";
import { HostError } from "./sources.js";
import { describe, readAll, within } from "./waiting.js";

const PATIENCE_S = 10, ANSWER_LIMIT_BYTES = 64 << 10;
const MESSAGE_LIMIT_BYTES = 96 << 10; // the platform takes 128 kB with what it adds
const BATCH_TYPE = "application/cloudevents-batch+json";
// 4xx that may pass: keys and addresses that somebody is about to put right, and haste.
const AGAIN = [401, 403, 404, 408, 425, 429];

// The control plane read it and will never take it; sending it again cannot help.
export class Refused extends HostError {}

export class Delivery {
  constructor(controlUrl, queue) {
    this.controlUrl = controlUrl;
    this.queue = queue;
  }

  // Events as JSON texts; gives { accepted, duplicates, quarantined }.  Throws a HostError.
  async deliver(events) {
    if (!this.queue) return this.handOn(arrayOf(events));
    try {
      for (const message of messages(events)) await this.queue.send(message, { contentType: "text" });
    } catch (error) { throw new HostError(`the queue: ${describe(error)}`); }
    return { accepted: events.length, duplicates: 0, quarantined: 0 };
  }

  // A JSON array of events to the control plane.  Throws a HostError, Refused where that is for good.
  async handOn(text) {
    if (!this.controlUrl) throw new HostError("no control plane: PROFFER_CONTROL_URL is not set");
    try {
      return await within(PATIENCE_S, this.post(text));
    } catch (error) {
      if (error instanceof HostError) throw error;
      throw new HostError(`beacons: ${describe(error)}`);
    }
  }

  async post(text) {
    const answer = await fetch(`${this.controlUrl}/v1/beacons`, {
      method: "POST", headers: { "content-type": BATCH_TYPE }, body: text, redirect: "manual",
    });
    const said = answer.body ? await readAll(answer.body, ANSWER_LIMIT_BYTES, tooLong) : new Uint8Array(0);
    const { status } = answer, words = new TextDecoder().decode(said);
    if (status >= 400 && status < 500 && !AGAIN.includes(status))
      throw new Refused(`beacons: the control plane answers ${status}: ${words.slice(0, 300)}`);
    if (status < 200 || status >= 300) throw new HostError(`beacons: the control plane answers ${status}`);
    return countsOf(words) ?? (() => { throw new HostError(`beacons: an answer ${status} without counts`); })();
  }
}

const tooLong = () => { throw new HostError(`an answer has more than ${ANSWER_LIMIT_BYTES} bytes`); };

const countsOf = (words) => {
  let said;
  try { said = JSON.parse(words); } catch { return null; }
  const { accepted, duplicates, quarantined } = said ?? {};
  return [accepted, duplicates, quarantined].every(Number.isSafeInteger) ? { accepted, duplicates, quarantined } : null;
};

export const arrayOf = (events) => `[${events.join(",")}]`;

// The same events as arrays that fit into a message each.
function* messages(events) {
  let taken = [], size = 2;
  for (const event of events) {
    const { length } = utf8(event);
    if (taken.length && size + length + 1 > MESSAGE_LIMIT_BYTES) {
      yield arrayOf(taken);
      [taken, size] = [[], 2];
    }
    taken.push(event);
    size += length + 1;
  }
  if (taken.length) yield arrayOf(taken);
}
