// OpenFeature's evaluation context, and whom it is believed from: edge/flag_context.py has the rules.
import { isPart, isSame, toHex, utf8 } from "./hashing.js";
import { RequestError, isObject, quoted, sorted } from "./json.js";
import { arrive, beginVisit } from "./visiting.js";
import { NOTHING, readSession } from "./vouching.js";

const TARGET = "targetingKey", KEY_BYTES_MAX = 128, VISITOR_BYTES = 16;
export const OWN = "proffer.";
const TEXTS = ["customer", "consent", "locale", "session"], FIELDS = [...TEXTS, "taken", "placements"];
const DECIMAL = /^-?[0-9]{1,15}(?:\.[0-9]+)?$/;

// An evaluation that failed, with OpenFeature's word for it and the HTTP status.
export class FlagError extends Error {
  constructor(code, detail, status = 400) {
    super(detail);
    this.name = "FlagError";
    Object.assign(this, { code, detail, status });
  }
}

const refuse = (detail) => { throw new FlagError("INVALID_CONTEXT", detail); };

// { target, said: Map, attributes: object }.  Throws a FlagError INVALID_CONTEXT.
export const readContext = (body) => {
  const context = Object.hasOwn(body, "context") ? body.context : null;
  if (context !== null && !isObject(context)) refuse("context must be an object");
  const said = new Map(), attributes = Object.create(null);
  let target = null;
  for (const [name, value] of flattened(context ?? {})) {
    if (name === TARGET) target = value;
    else if (name.startsWith(OWN)) said.set(name.slice(OWN.length), value);
    else attributes[name] = value;
  }
  target = readTarget(target);
  checkOwn(said);
  return { target, said, attributes };
};

function* flattened(fields, prefix = "") {
  for (const [name, value] of Object.entries(fields)) {
    if (isObject(value)) yield* flattened(value, `${prefix}${name}.`);
    else if (value !== null) yield [prefix + name, typeof value === "number" ? decimalOf(value) : value];
  }
}

// Contexts have numbers where decimals are meant: what the shortest form of it says.
const decimalOf = (value) => {
  if (Number.isSafeInteger(value) || Math.abs(value) < 1e-4) return value;
  const text = String(value);
  return DECIMAL.test(text) ? text : value;
};

const readTarget = (value) => {
  if (value === null || value === "") return "";
  if (typeof value !== "string" || !isPart(value) || utf8(value).length > KEY_BYTES_MAX)
    refuse(`${TARGET} must be 1 to ${KEY_BYTES_MAX} bytes without control characters`);
  return value;
};

const checkOwn = (said) => {
  const unknown = [...said.keys()].filter((name) => !FIELDS.includes(name));
  if (unknown.length) {
    const known = sorted(FIELDS).map((name) => OWN + name).join(", ");
    refuse(`unknown field ${quoted(OWN + sorted(unknown)[0])}; there are ${known}`);
  }
  for (const name of TEXTS)
    if (said.has(name) && typeof said.get(name) !== "string") refuse(`${OWN}${name} must be a text`);
};

// --- who asks ---------------------------------------------------------------------------------

// Whether the shop's key came along.  Throws a FlagError 401 for a wrong one.  Another scheme than
// Bearer is not meant for us.
const isShop = ({ headers }, shopKey) => {
  const [, scheme, bearer] = /^(\S*) ?(.*)$/s.exec(headers.get("authorization") ?? "");
  const sent = scheme.toLowerCase() === "bearer" ? bearer.trim() : headers.get("x-api-key") ?? "";
  if (!sent) return false;
  if (!isSame(sent, shopKey)) throw new FlagError("GENERAL", "the key is not the shop's", 401);
  return true;
};

// { visit, byClient, byShop, ignored }: for whom, and what is believed of it.  Throws a FlagError,
// and a Problem for a session that does not count.
export const askerOf = (request, context, edge) => {
  if (isShop(request, edge.settings.secrets.shopKey)) return serverOf(context, edge);
  let guest = arrive(request, edge);
  const known = guest.isNew ? "" : guest.visitor, { target } = context;
  const shop = sessionOf(context, known || target, edge);
  if (guest.isNew && target)
    guest = { ...guest, ...unknownState, visitor: shop.visitor === target ? target : codeOf(edge, target) };
  const passedOver = known && target && target !== known;
  const why = "the cookie of this edge says who the visitor is";
  return {
    visit: visitOf(context, shop, guest, edge), byClient: context.attributes, byShop: shop.attributes,
    ignored: passedOver ? [{ name: TARGET, why }] : [],
  };
};

const unknownState = { isNew: false, state: { caps: [], kept: [], overflow: true } };

// A server of the shop, which speaks for a visitor of its own.
const serverOf = (context, edge) => {
  const guest = {
    ...unknownState, visitor: context.target, hadCookies: false, consent: "", locale: "", observed: new Map(),
  };
  const shop = sessionOf(context, context.target, edge), visit = visitOf(context, shop, guest, edge);
  if (visit.consent === "full" && !visit.visitor)
    throw new FlagError("TARGETING_KEY_MISSING", `${TARGET} must say who the visitor is`);
  return { visit, byClient: {}, byShop: { ...context.attributes, ...shop.attributes }, ignored: [] };
};

// A visitor's id for a claimed targeting key: the same for the same, and nobody else's.
const codeOf = ({ seals }, target) =>
  toHex(seals.mac("targeting-key", utf8(target)).subarray(0, VISITOR_BYTES));

const sessionOf = ({ said }, visitor, { shopHmac, nowS }) =>
  said.has("session") ? readSession(shopHmac, said.get("session"), visitor, nowS()) : NOTHING;

const visitOf = ({ said }, shop, guest, edge) => {
  const text = (name) => said.get(name) ?? "";
  return beginVisit(guest, edge, [text("consent"), shop.consent],
    shop.customer || text("customer"), text("locale") || shop.locale);
};

// The placements that were named; empty if none were.  Throws a RequestError.
export const placementsOf = ({ said }, limit) => {
  const names = said.get("placements") ?? [];
  if (!Array.isArray(names) || !names.every((name) => typeof name === "string"))
    throw new RequestError("FIELD", `${OWN}placements must be a list of names`);
  if (names.length > limit || new Set(names).size !== names.length || !names.every(isPart))
    throw new RequestError("FIELD", `${OWN}placements are 1 to ${limit} names, none twice`);
  return names;
};
