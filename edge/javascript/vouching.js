// Who says what: an attribute is believed only from a source that may say it.  edge/vouching.py has
// the rules and the form of a session token.
import { fromBase64url, toBase64url } from "../browser/claims.js";
import * as c from "./columns.js";
import { isSame, utf8 } from "./hashing.js";
import { isObject, quoted, readJson, sorted } from "./json.js";
import { Problem } from "./problems.js";

const SESSION_LABEL = utf8("proffer-session.");
const CONTEXT_FIELDS = ["attributes", "customer", "consent", "locale"];
const SESSION_FIELDS = [...CONTEXT_FIELDS, "visitor", "expires_s"];
const EDGE = 0, SIGNED = 1, CLIENT = 2, PERSONAL = 1;
const SOURCES = ["edge", "signed", "client", "computed"];
const BELIEVED = { client: [CLIENT], shop: [CLIENT, SIGNED], edge: [EDGE, CLIENT] };

// What the shop says about a visit; `visitor` is whom alone it is said of, if anybody.
export const NOTHING = Object.freeze({ visitor: "", attributes: {}, customer: "", consent: "", locale: "" });

// The shop's statement cannot be read; the message says why.
export class ContextError extends Error {}

const refuse = (why) => { throw new ContextError(why); };

// The origin's Proffer-Context header.  Throws a ContextError.
export const readContext = (header) => {
  if (!header) return NOTHING;
  const said = readSaid(header.replace(/=+$/, ""), "Proffer-Context: ");
  return Object.hasOwn(said, "attributes") ? vouched(said, CONTEXT_FIELDS) : { ...NOTHING, attributes: said };
};

const readSaid = (text, place = "") => {
  const bytes = fromBase64url(text) ?? refuse(`${place}not base64url as it is written: alphabet, padding or stray bits`);
  try {
    return readJson(bytes);
  } catch (error) { return refuse(place + error.message); }
};

// The session token of a decide call; `hmac` is the hasher's for the shop's key.  Throws a Problem.
export const readSession = (hmac, token, visitor, nowS) => {
  try {
    const said = unsealSession(hmac, token);
    checkSession(said, visitor, nowS);
    return vouched(said, SESSION_FIELDS);
  } catch (error) {
    if (!(error instanceof ContextError)) throw error;
    throw new Problem("session", `session: ${error.message}`);
  }
};

const unsealSession = (hmac, token) => {
  if (typeof token !== "string") refuse("must be a text");
  const dot = token.indexOf("."), payload = dot < 0 ? token : token.slice(0, dot);
  const code = fromBase64url(dot < 0 ? "" : token.slice(dot + 1));
  if (!code) refuse("not base64url as it is written: alphabet, padding or stray bits");
  if (!isSame(toBase64url(code), toBase64url(hmac.of(SESSION_LABEL, utf8(payload)))))
    refuse("not signed with the shop's key, or changed since");
  return readSaid(payload);
};

const checkSession = (said, visitor, nowS) => {
  const { expires_s, visitor: whose = null } = said;
  if (!Number.isSafeInteger(expires_s)) refuse("expires_s must be Unix seconds");
  if (nowS >= expires_s) refuse(`expired ${nowS - expires_s} s ago`);
  if (whose !== null && whose !== visitor) refuse("is for another visitor");
};

const vouched = (said, fields) => {
  const [unknown] = sorted(Object.keys(said).filter((name) => !fields.includes(name)));
  if (unknown !== undefined) refuse(`unknown field ${quoted(unknown)}`);
  const { attributes = null } = said;
  if (attributes !== null && !isObject(attributes)) refuse("attributes must be an object");
  return {
    visitor: textOf(said, "visitor"),
    attributes: attributes ?? {},
    customer: textOf(said, "customer"),
    consent: textOf(said, "consent"),
    locale: textOf(said, "locale"),
  };
};

const textOf = (said, name) => {
  const { [name]: value = null } = said;
  return value === null ? "" : typeof value === "string" ? value : refuse(`${name} must be a text`);
};

// --- whom to believe --------------------------------------------------------------------------

// { attributes, ignored }: those to decide on, and what was said in vain.  `client` and `shop` are
// objects, `edge` a Map.  The shop's word goes before the client's, and that before a guess.
export const admit = (bundle, consent, client, shop, edge) => {
  const attributes = Object.create(null), ignored = [];
  const hear = (speaker, name, value) => {
    const why = objection(bundle, consent, speaker, name);
    if (!why) attributes[name] = value;
    else if (speaker !== "edge") ignored.push({ name: name.toWellFormed(), why });
  };
  for (const [name, value] of edge) hear("edge", name, value);
  for (const name of Object.keys(client)) hear("client", name, client[name]);
  for (const name of Object.keys(shop)) hear("shop", name, shop[name]);
  return { attributes, ignored };
};

const objection = (bundle, consent, speaker, name) => {
  const row = bundle.attributeRow(name);
  if (row === undefined) return "this policy has no such attribute to send";
  const source = bundle.at(c.ATTRIBUTE_SOURCE, row);
  if (!BELIEVED[speaker].includes(source))
    return `has source ${SOURCES[source]}; the ${speaker} cannot vouch for it`;
  const personal = bundle.at(c.ATTRIBUTE_FLAGS, row) & PERSONAL;
  return personal && consent !== "full" ? "personal, and there is no consent to it" : "";
};
