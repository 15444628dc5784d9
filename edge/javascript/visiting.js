// Who asks, and what may be known about it: edge/visiting.py.
import { STATE_COOKIE, VISITOR_COOKIE, forgetCookies, readCookies } from "./cookies.js";
import { isPart, randomHex, utf8 } from "./hashing.js";
import { CONSENTS } from "./settings.js";
import { EMPTY } from "./state.js";

const LOCALE_BYTES_MAX = 35;
const KNOWN_LIMIT = 1000, KNOWN_CHARS = 512;
const DEVICE = "device.type";
const NOWHERE = new Set(["XX", "T1", "ZZ"]);
const TABLET = /iPad|Tablet|Kindle|Silk\/|Android(?!.*Mobile)/;
const PHONE = /Mobi|iPhone|iPod/;

// Whoever sends a request, as far as its headers tell.
export const arrive = (request, { settings, seals }) => {
  const { headers } = request, cookies = readCookies(headers.get("cookie"));
  const known = seals.readVisitor(cookies);
  return {
    visitor: known || randomHex(),
    isNew: !known,
    // A visitor made just now has seen nothing; one whose state is lost has seen who knows what.
    state: known ? seals.readState(cookies, known) : EMPTY,
    hadCookies: cookies.has(VISITOR_COOKIE) || cookies.has(STATE_COOKIE),
    consent: cookies.get(settings.consentCookie) ?? "",
    locale: preferredLocale(headers.get("accept-language") ?? ""),
    observed: observe(headers, settings.edgeHeaders),
  };
};

// What the guest agreed to; `said`: what page and shop say about consent.
export const beginVisit = (guest, context, said, customer = "", locale = "") => {
  const consent = settleConsent([guest.consent, ...said], context.settings.defaultConsent);
  const nowS = context.nowS(), full = consent === "full";
  const visitor = full ? guest.visitor : "", nonce = randomHex();
  return {
    consent, visitor, nonce, nowS,
    customer: full ? customer : "",
    locale: locale || guest.locale,
    state: full ? guest.state : null,
    observed: guest.observed,
    cookies: cookiesOf(guest, consent, context.seals, nowS),
    unit: visitor || nonce, // what canary shares are keyed on
  };
};

const cookiesOf = (guest, consent, seals, nowS) => {
  if (consent === "full" && guest.isNew)
    return [seals.visitorCookie(guest.visitor), seals.stateCookie(guest.visitor, EMPTY, nowS)];
  return consent === "none" && guest.hadCookies ? forgetCookies() : [];
};

// The strictest of what was said; a word that nobody knows counts as `none`.
export const settleConsent = (said, otherwise) => {
  const ranks = said.filter(Boolean).map((word) => CONSENTS.indexOf(word)).map((rank) => rank < 0 ? 2 : rank);
  return ranks.length ? CONSENTS[Math.max(...ranks)] : otherwise;
};

// --- what headers show ----------------------------------------------------------------------

const observe = (headers, edgeHeaders) => {
  const seen = new Map(), device = deviceType(headers.get("user-agent") ?? "");
  if (device) seen.set(DEVICE, device);
  for (const [header, attribute] of edgeHeaders) {
    const value = headers.get(header);
    if (value && !NOWHERE.has(value)) seen.set(attribute, value);
  }
  return seen;
};

export const deviceType = remembering((userAgent) => {
  if (TABLET.test(userAgent)) return "tablet";
  if (PHONE.test(userAgent)) return "phone";
  return userAgent ? "desktop" : "";
});

// The language that an Accept-Language header likes best; "" if it names none.
export const preferredLocale = remembering((header) => {
  let best = "", most = 0;
  for (const range of header ? header.split(",") : []) {
    const at = range.indexOf(";"), name = (at < 0 ? range : range.slice(0, at)).trim();
    const quality = qualityOf(at < 0 ? "" : range.slice(at + 1));
    if (quality > most && name !== "*" && isLocale(name)) [best, most] = [name, quality];
  }
  return best;
});

const qualityOf = (parameters) => {
  const at = parameters.indexOf("="), name = at < 0 ? parameters : parameters.slice(0, at);
  if (name.trim() !== "q") return 1;
  const value = at < 0 ? "" : parameters.slice(at + 1).trim();
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value) ? Number(value) : 0;
};

// Headers are mostly the same few: what was made of one is remembered.
function remembering(read) {
  const known = new Map();
  return (header) => {
    let found = known.get(header);
    if (found !== undefined) return found;
    if (known.size >= KNOWN_LIMIT) known.clear();
    found = read(header);
    if (header.length <= KNOWN_CHARS) known.set(header, found);
    return found;
  };
}

const isLocale = (text) => isPart(text) && utf8(text).length <= LOCALE_BYTES_MAX;
