// `POST /_proffer/beacon`: what pages saw, passed on, and the visitor's state moved on.
// edge/beacons.py.  The answer is 2xx only after the events are safe.
import { bodyOf, checkJson, jsonAnswer } from "./answering.js";
import { Refused } from "./delivering.js";
import { isPart, utf8 } from "./hashing.js";
import { isObject, quoted } from "./json.js";
import { Problem } from "./problems.js";
import { advance, fit, readReceipt } from "./receipts.js";
import { HostError } from "./sources.js";
import { EMPTY } from "./state.js";
import { arrive } from "./visiting.js";

const BATCH_LIMIT_BYTES = 512 << 10, BATCH_LIMIT_EVENTS = 1000, EVENT_LIMIT_BYTES = 64 << 10;
const NAME_LIMIT_BYTES = 256, DEPTH_LIMIT = 500;
const RETRY_AFTER_S = "5";
const EXPOSURE = "shop.proffer.exposure", CLICK = "shop.proffer.click";
const ENVELOPE = ["time", "subject", "datacontenttype"], USER_AGENT_CHARS = 512;

// Throws a Problem: 400, 408, 413, 415 for what was sent; 502, 503 when it could not be passed on.
export const answerBeacon = async (request, context, policy) => {
  checkJson(request);
  const batch = split(await bodyOf(request, BATCH_LIMIT_BYTES)), seen = [], refused = [];
  const agent = (request.headers.get("user-agent") ?? "").slice(0, USER_AGENT_CHARS);
  batch.forEach((event, index) => {
    const { why, ...read } = readEvent(event, agent);
    if (why) refused.push({ index, why });
    else seen.push(read);
  });
  if (!seen.length && refused.length)
    throw new Problem("no-event", `No event was good; the first: ${refused[0].why}.`);
  const { accepted, duplicates, quarantined } = await passOn(context, seen.map(({ event }) => event));
  const cookies = advanced(arrive(request, context), seen, context, policy);
  return jsonAnswer({ accepted, duplicates, quarantined, refused }, cookies);
};

const passOn = async (context, events) => {
  if (!events.length) return { accepted: 0, duplicates: 0, quarantined: 0 };
  try {
    return await context.delivery.deliver(events);
  } catch (error) {
    if (error instanceof Refused) {
      console.error(`the control plane refused a beacon: ${error.message}`);
      throw new Problem("refused", "The control plane refused these events.");
    }
    if (!(error instanceof HostError)) throw error;
    console.warn(`a beacon could not be passed on: ${error.message}`);
    throw new Problem("unavailable", "These events were not stored.", [["retry-after", RETRY_AFTER_S]]);
  }
};

// --- reading ------------------------------------------------------------------------------------

// The events of a batch.  Throws a Problem.
const split = (body) => {
  let batch;
  try {
    batch = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(body));
  } catch (error) { throw new Problem("batch", `No JSON array of events: ${error.message}`); }
  if (!Array.isArray(batch)) throw new Problem("batch", "No JSON array of events");
  if (batch.length > BATCH_LIMIT_EVENTS)
    throw new Problem("too-large", `${batch.length} events; at most ${BATCH_LIMIT_EVENTS}.`);
  return batch;
};

// { event, receipt }: the event's text as it goes on; or { why }.
const readEvent = (event, useragent) => {
  const wrong = whatIsWrong(event);
  if (wrong) return { why: wrong };
  const { specversion, id, source, type, data } = event;
  const { decision, placement, slot = 0, time_s, track = "shown", receipt = "" } = data;
  const passed = { specversion, id, source, type, data: { decision, placement, slot, time_s, track } };
  for (const name of ENVELOPE) passed[name] = own(event, name) ?? null;
  passed.useragent = useragent;
  return { event: JSON.stringify(passed), receipt: type === EXPOSURE ? receipt : "" };
};

const own = (object, name) => Object.hasOwn(object, name) ? object[name] : undefined;

const whatIsWrong = (event) => {
  if (!isShallow(event, DEPTH_LIMIT)) return "nested too deeply";
  const size = utf8(JSON.stringify(event)).length;
  if (size > EVENT_LIMIT_BYTES) return `${size} bytes; at most ${EVENT_LIMIT_BYTES}`;
  if (!isObject(event)) return "Expected `object`";
  if (!isWellFormed(event)) return "ill-formed text";
  return wrongEnvelope(event) || wrongData(event.data);
};

const wrongEnvelope = (event) => {
  if (own(event, "specversion") !== "1.0") return "specversion must be 1.0";
  for (const name of ["id", "source", "type"]) if (typeof own(event, name) !== "string") return `${name} must be a text`;
  for (const name of [...ENVELOPE, "useragent"]) if (!["string", "undefined"].includes(typeof (own(event, name) ?? undefined))) return `${name} must be a text`;
  if (!Object.hasOwn(event, "data")) return "data is missing";
  if (event.type !== EXPOSURE && event.type !== CLICK)
    return `type ${quoted(event.type.slice(0, 80))} does not come from pages`;
  for (const name of ["id", "source"])
    if (!isPart(event[name]) || utf8(event[name]).length > NAME_LIMIT_BYTES)
      return `${name} must be 1 to ${NAME_LIMIT_BYTES} bytes of plain text`;
  return "";
};

const wrongData = (data) => {
  if (!isObject(data)) return "data must be an object";
  const { decision, placement, slot = 0, time_s, track = "shown", receipt = "" } = data;
  if (typeof decision !== "string" || typeof placement !== "string") return "decision and placement must be texts";
  if (!Number.isInteger(slot) || !Number.isInteger(time_s)) return "slot and time_s must be whole numbers";
  if (track !== "shown" && track !== "ghost") return "track must be shown or ghost";
  if (typeof receipt !== "string") return "receipt must be a text";
  return /^[0-9a-f]{32}$/.test(decision) && decision.length === 32 ? "" : "decision must be 32 hexadecimal digits";
};

const childrenOf = (value) => typeof value === "object" && value !== null ? Object.values(value) : [];

const isShallow = (value, depth) => depth > 0 && childrenOf(value).every((each) => isShallow(each, depth - 1));

const isWellFormed = (value) => typeof value === "string" ? value.isWellFormed()
  : childrenOf(value).every(isWellFormed) &&
    (!isObject(value) || Object.keys(value).every((name) => name.isWellFormed()));

// --- the visitor's state ----------------------------------------------------------------------

// The new state cookie, if any receipt is this visitor's.
const advanced = (guest, seen, { seals, nowS }, policy) => {
  if (guest.isNew || !["", "full"].includes(guest.consent)) return [];
  const now = nowS();
  const receipts = seen.filter(({ receipt }) => receipt)
    .map(({ receipt }) => readReceipt(seals, guest.visitor, receipt, now)).filter(Boolean);
  if (!receipts.length) return [];
  // What was counted in a state that got lost is unknown: strict caps withhold from now on.
  const bundle = policy?.bundleFor(guest.visitor) ?? null;
  let state = fit(guest.state ?? { ...EMPTY, overflow: true }, bundle, now);
  for (const receipt of receipts) state = advance(state, receipt);
  return [seals.stateCookie(guest.visitor, fit(state, bundle, now), now)];
};
