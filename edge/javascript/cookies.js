// The edge's two cookies, and how it knows them again: edge/cookies.py, which draws them.
import { fromBase64url, toBase64url } from "../browser/claims.js";
import { isSame } from "./hashing.js";
import { packState, unpackState } from "./state.js";

export const VISITOR_COOKIE = "__Host-pv", STATE_COOKIE = "__Host-ps";
const YEAR_S = 365 * 86400;
const ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Lax";

// Seals under the edge's cookie secret; `hmac` is the hasher's for it.
export class Seals {
  constructor(hmac) { this.hmac = hmac; }

  // Parts are bytes or texts.
  mac(purpose, ...parts) { return this.hmac.framed(`proffer-${purpose}.`, parts); }

  code(purpose, ...parts) { return toBase64url(this.mac(purpose, ...parts)); }

  // base64url(payload) "." base64url(mac); `context` is covered and not carried.
  seal(purpose, payload, ...context) {
    return `${toBase64url(payload)}.${this.code(purpose, payload, ...context)}`;
  }

  // The payload, or null unless `seal` made this text.
  unseal(purpose, text, ...context) {
    const dot = text.indexOf("."), payload = dot < 0 ? null : fromBase64url(text.slice(0, dot));
    // Of each code there is one way to write it, so comparing the texts is enough.
    return payload && isSame(text.slice(dot + 1), this.code(purpose, payload, ...context)) ? payload : null;
  }

  // --- cookies ----------------------------------------------------------------

  // The Set-Cookie value that names a visitor for a year.
  visitorCookie(visitor) {
    const code = this.code("visitor", visitor);
    return `${VISITOR_COOKIE}=${visitor}.${code}; Max-Age=${YEAR_S}; ${ATTRIBUTES}`;
  }

  // The visitor's id, or "" unless this edge issued it.
  readVisitor(cookies) {
    const text = cookies.get(VISITOR_COOKIE) ?? "", dot = text.indexOf(".");
    const visitor = dot < 0 ? text : text.slice(0, dot), code = dot < 0 ? "" : text.slice(dot + 1);
    if (!/^[0-9a-f]{32}$/.test(visitor) || visitor.length !== 32) return "";
    return isSame(code, this.code("visitor", visitor)) ? visitor : "";
  }

  stateCookie(visitor, state, nowS) {
    const packed = packState(state), payload = new Uint8Array(8 + packed.length);
    new DataView(payload.buffer).setBigUint64(0, BigInt(nowS));
    payload.set(packed, 8);
    const value = this.seal("state", payload, visitor);
    return `${STATE_COOKIE}=${value}; Max-Age=${YEAR_S}; ${ATTRIBUTES}`;
  }

  // This visitor's state, or null if it is missing, damaged or another's.
  readState(cookies, visitor) {
    const payload = this.unseal("state", cookies.get(STATE_COOKIE) ?? "", visitor);
    return payload && payload.length >= 8 ? unpackState(payload.subarray(8)) : null;
  }
}

// Cookies by name; of two with one name the first, as browsers send the closer one first.
export const readCookies = (header) => {
  const found = new Map();
  if (!header) return found;
  for (const pair of header.split(";")) {
    const text = pair.trim(), at = text.indexOf("=");
    if (at >= 0 && !found.has(text.slice(0, at))) found.set(text.slice(0, at), text.slice(at + 1));
  }
  return found;
};

// Set-Cookie values that end both cookies: scripts of the page cannot.
export const forgetCookies = () =>
  [VISITOR_COOKIE, STATE_COOKIE].map((name) => `${name}=; Max-Age=0; ${ATTRIBUTES}`);
