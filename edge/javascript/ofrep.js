// OFREP, the protocol of OpenFeature's providers: offers as values of feature flags.  edge/ofrep.py,
// which says what the entity tag is for.
import { BODY_LIMIT_BYTES, PLACEMENTS_LIMIT, bodyOf, checkJson, policyName } from "./answering.js";
import { armOf } from "./deciding.js";
import { FlagError, OWN, askerOf, placementsOf, readContext } from "./flag_context.js";
import { flagsOf, placementOf, withoutDefaults } from "./flags.js";
import { isPart, toHex, utf8 } from "./hashing.js";
import { RequestError, quoted, readJson } from "./json.js";
import { NO_STORE, Problem } from "./problems.js";
import { LIFE_S } from "./receipts.js";

export const PREFIX = "/ofrep/";
const BULK = "/ofrep/v1/evaluate/flags";
const JSON_TYPE = ["content-type", "application/json"], VARY = ["vary", "cookie, authorization, x-api-key"];
const TAG = /"([0-9a-f]{32})\.([0-9a-f]{1,9})\.[0-9a-f]{32}"/;

// Throws nothing for whatever was sent: a flag that fails has a code.
export const answerFlags = async (request, path, context, policy) => {
  let key = "";
  try {
    key = keyOf(request, path);
    checkJson(request);
    const said = readSaid(await bodyOf(request, BODY_LIMIT_BYTES)), who = askerOf(request, said, context);
    return key ? one(key, said, who, context, policy) : all(request, said, who, context, policy);
  } catch (error) {
    if (error instanceof FlagError) return failure(error.status, error.code, error.detail, key);
    if (error instanceof RequestError) return failure(400, "INVALID_CONTEXT", error.detail, key);
    if (!(error instanceof Problem)) throw error;
    return failure(error.status, error.status === 400 ? "INVALID_CONTEXT" : "GENERAL", error.detail, key, error.headers);
  }
};

// --- one flag, all of them ----------------------------------------------------------------------

const one = (key, said, who, context, policy) => {
  const bundle = policy?.bundleFor(who.visit.unit);
  const [name, isText] = placementOf(key, (each) => bundle?.placementRow(each) !== undefined);
  const unknown = () => { throw new FlagError("FLAG_NOT_FOUND", `There is no placement ${quoted(name.slice(0, 80))}.`, 404); };
  if (!isPart(name)) unknown();
  const outcome = context.desk.decide(policy, who.visit, questionOf([name], said, who));
  if (outcome.decisions[0].reason === "UNKNOWN_PLACEMENT") unknown();
  return answer(who, flagsIn(outcome, who, policy)[+isText]);
};

const all = (request, said, who, context, policy) => {
  const given = placementsOf(said, PLACEMENTS_LIMIT), names = given.length ? given : pagePlacements(policy, who);
  const question = questionOf(names.slice(0, PLACEMENTS_LIMIT), said, who);
  const held = stillRight(request, question, who, context, policy);
  if (held) return new Response(null, { status: 304, headers: [...headersOf(who), ["etag", held]] });
  const outcome = names.length ? context.desk.decide(policy, who.visit, question) : { decisions: [], ignored: [] };
  const { nonce, nowS } = who.visit, etag = policy && tagOf(who, outcome, nonce, nowS, context);
  return answer(who, bulk(outcome, who, policy, names.slice(PLACEMENTS_LIMIT)), etag ? [["etag", etag]] : []);
};

// The tag that the client has, if its flags are still those of this visitor.
const stillRight = (request, question, who, context, policy) => {
  const match = policy && question.placements.length && TAG.exec(request.headers.get("if-none-match") ?? "");
  if (!match) return "";
  const [whole, nonce, hex] = match, issuedS = parseInt(hex, 16), visit = { ...who.visit, nonce };
  visit.unit = visit.visitor || nonce;
  const outcome = context.desk.weigh(policy, visit, question), ageS = visit.nowS - issuedS;
  if (ageS < 0 || ageS > lifeS(outcome.decisions, visit.nowS)) return "";
  return tagOf(who, outcome, nonce, issuedS, context) === whole ? whole : "";
};

const tagOf = ({ visit }, { decisions }, nonce, issuedS, { seals }) => {
  const shown = decisions.map((slot) =>
    [slot.placement, slot.slot, armOf(slot), slot.creative, slot.disclosure, slot.track]);
  const named = JSON.stringify([nonce, issuedS, visit.consent, visit.visitor, visit.customer, shown]);
  return `"${nonce}.${issuedS.toString(16)}.${toHex(seals.mac("flags", utf8(named)).subarray(0, 16))}"`;
};

// For how long the flags may be held: half of what is in them.
const lifeS = (decisions, nowS) => Math.floor(
  Math.min(LIFE_S, ...decisions.filter(({ expires_s }) => expires_s).map(({ expires_s }) => expires_s - nowS)) / 2);

// --- reading ------------------------------------------------------------------------------------

// The flag that is asked for; empty for all of them.
const keyOf = ({ method }, path) => {
  if (path !== BULK && !path.startsWith(`${BULK}/`))
    throw new FlagError("GENERAL", `There is no ${quoted(path.slice(0, 80))} in OFREP.`, 404);
  if (method !== "POST") throw new Problem("method-not-allowed", "Flags are evaluated with POST.", [["allow", "POST"]]);
  return path.slice(BULK.length).replace(/^\//, "");
};

const readSaid = (body) => {
  try {
    return readContext(readJson(body.length ? body : utf8("{}")));
  } catch (error) {
    if (error instanceof RequestError) throw new FlagError("PARSE_ERROR", error.detail);
    throw error;
  }
};

const questionOf = (placements, { said }, { byClient, byShop }) =>
  ({ placements, taken: said.get("taken") ?? null, byClient, byShop });

// The placements of pages, in the order in which they are decided.
const pagePlacements = (policy, who) => policy ? policy.bundleFor(who.visit.unit).pagePlacements : [];

// --- answering ----------------------------------------------------------------------------------

const flagsIn = (outcome, who, policy) =>
  flagsOf(outcome.decisions, [...who.ignored, ...outcome.ignored], policyName(policy, who.visit));

const bulk = (outcome, who, policy, leftOut) => {
  const isKnown = ({ reason }) => reason !== "UNKNOWN_PLACEMENT", name = policyName(policy, who.visit);
  const why = `more than ${PLACEMENTS_LIMIT} placements: name those of this screen in ${OWN}placements`;
  const flags = flagsIn({ ...outcome, decisions: outcome.decisions.filter(isKnown) }, who, policy);
  for (const { placement } of outcome.decisions.filter((slot) => !isKnown(slot)))
    flags.push({ key: placement, errorCode: "FLAG_NOT_FOUND", errorDetails: "There is no such placement." });
  for (const key of leftOut) flags.push({ key, errorCode: "GENERAL", errorDetails: why });
  const metadata = withoutDefaults({
    reason: policy ? "" : "NO_POLICY", sequence: name?.sequence ?? 0, bundle: name?.bundle ?? "",
  });
  return { flags, metadata };
};

const headersOf = ({ visit }) => [NO_STORE, VARY, ...visit.cookies.map((cookie) => ["set-cookie", cookie])];

const answer = (who, value, more = []) =>
  new Response(JSON.stringify(value), { headers: [...headersOf(who), ...more, JSON_TYPE] });

const failure = (status, errorCode, errorDetails, key, headers = []) => {
  const body = withoutDefaults({ key: key.toWellFormed(), errorCode, errorDetails });
  return new Response(JSON.stringify(body), { status, headers: [JSON_TYPE, NO_STORE, VARY, ...headers] });
};
