// `POST /_proffer/decide`: decisions as JSON, for programs and single-page apps.  edge/answering.py.
import { isPart } from "./hashing.js";
import { RequestError, isObject, quoted, readJson, sorted } from "./json.js";
import { NO_STORE, Problem, tooLarge } from "./problems.js";
import { arrive, beginVisit } from "./visiting.js";
import { NOTHING, readSession } from "./vouching.js";
import { TooLate, readAll, within } from "./waiting.js";

export const BODY_LIMIT_BYTES = 32 << 10;
export const PLACEMENTS_LIMIT = 64;
const BODY_WAIT_S = 20;
const FIELDS = ["attributes", "consent", "customer", "locale", "placements", "session", "taken"];

// Throws a Problem 400, 408, 413 or 415.
export const answerDecide = (request, context, policy) => withQuestion(request, context, (said, guest) => {
  const { visit, shop, byClient, taken } = speechOf(said, FIELDS, guest, context);
  const question = { placements: placementsOf(said), taken, byClient, byShop: shop.attributes };
  const { decisions, ignored } = context.desk.decide(policy, visit, question);
  return jsonAnswer({ decisions, ignored, policy: policyName(policy, visit) }, visit.cookies);
});

// The answer to a JSON object.  Throws as `answerDecide`, also for a RequestError.
export const withQuestion = async (request, context, answer) => {
  checkJson(request);
  const body = await bodyOf(request, BODY_LIMIT_BYTES);
  try {
    return answer(readJson(body), arrive(request, context));
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    throw new Problem(`request-${error.code.toLowerCase()}`, error.detail);
  }
};

// What was said with a request, and who believes it.  Throws a RequestError, and a Problem for a bad session.
export const speechOf = (said, fields, guest, context) => {
  checkFields(said, fields);
  const shop = sessionOf(said, guest, context);
  const visit = beginVisit(guest, context, [textOf(said, "consent"), shop.consent],
    shop.customer || textOf(said, "customer"), textOf(said, "locale") || shop.locale);
  return { visit, shop, byClient: attributesOf(said), taken: own(said, "taken") };
};

// JSON that no cache keeps.
export const jsonAnswer = (value, cookies = []) => {
  const text = JSON.stringify(value);
  if (!cookies.length) return new Response(text, AS_JSON);
  const headers = [["content-type", "application/json"], NO_STORE];
  for (const cookie of cookies) headers.push(["set-cookie", cookie]);
  return new Response(text, { headers });
};

// The platform reads headers quickest from an object that stays the same.
const AS_JSON = Object.freeze({
  headers: Object.freeze({ "content-type": "application/json", [NO_STORE[0]]: NO_STORE[1] }),
});

export const policyName = (policy, visit) =>
  policy ? { sequence: policy.manifest.sequence, bundle: policy.bundleFor(visit.unit).hex } : null;

// JSON by name: a page of another site cannot send that without being asked first.
export const checkJson = (request) => {
  const type = (request.headers.get("content-type") ?? "").split(";", 1)[0].trim().toLowerCase();
  if (type && type !== "application/json" && !type.endsWith("+json"))
    throw new Problem("wrong-type", `Send JSON, not ${quoted(type.slice(0, 80))}.`);
};

// All of it.  Throws a Problem 413 beyond the limit, 408 if it takes too long.
export const bodyOf = async (request, limitBytes) => {
  const refuse = () => { throw tooLarge(limitBytes); };
  const size = request.headers.get("content-length");
  if (size !== null && Number(size) > limitBytes) refuse();
  try {
    if (size !== null) return new Uint8Array(await within(BODY_WAIT_S, request.arrayBuffer()));
    return request.body ? await within(BODY_WAIT_S, readAll(request.body, limitBytes, refuse)) : new Uint8Array(0);
  } catch (error) {
    if (!(error instanceof TooLate)) throw error;
    const detail = `The request's body did not come within ${BODY_WAIT_S.toFixed(1)} s.`;
    throw new Problem("request-timeout", detail, [["connection", "close"]]);
  }
};

// --- fields -----------------------------------------------------------------------------------

const refuse = (detail) => { throw new RequestError("FIELD", detail); };

// What was sent, and not what JavaScript's objects inherit.
export const own = (said, name) => Object.hasOwn(said, name) ? said[name] : null;

const checkFields = (said, fields) => {
  const unknown = Object.keys(said).filter((name) => !fields.includes(name));
  if (unknown.length) refuse(`unknown field ${quoted(sorted(unknown)[0])}; there are ${fields.join(", ")}`);
};

const sessionOf = (said, guest, context) => {
  const token = own(said, "session");
  if (token === null) return NOTHING;
  return readSession(context.shopHmac, token, guest.isNew ? "" : guest.visitor, context.nowS());
};

const textOf = (said, name) => {
  const value = own(said, name);
  return value === null ? "" : typeof value === "string" ? value : refuse(`${name} must be a text`);
};

const placementsOf = (said) => {
  const names = own(said, "placements");
  if (!Array.isArray(names) || !names.length || names.length > PLACEMENTS_LIMIT)
    refuse(`placements must name 1 to ${PLACEMENTS_LIMIT}`);
  if (!names.every((name) => typeof name === "string") || new Set(names).size !== names.length)
    refuse("placements must be names, none twice");
  if (!names.every(isPart)) refuse("placements must be names in plain, well-formed text");
  return names;
};

const attributesOf = (said) => {
  const value = own(said, "attributes");
  return value === null ? {} : isObject(value) ? value : refuse("attributes must be an object");
};
