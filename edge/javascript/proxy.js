// The page proxy: the shop's own server behind the edge, its slots filled on the way.  edge/proxy.py
// says what goes through as it is, and what to whom.
import { noDecision } from "./deciding.js";
import { NO_STORE, Problem, tooLarge } from "./problems.js";
import { scriptElement } from "./rendering.js";
import { PageSlots } from "./slots.js";
import { arrive, beginVisit, settleConsent } from "./visiting.js";
import { ContextError, readContext } from "./vouching.js";
import { TooLate, chunksOf, describe, streamOf } from "./waiting.js";

const HOP_BY_HOP = ["connection", "keep-alive", "proxy-authenticate", "proxy-authorization",
  "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect"];
const FORWARDED = ["x-forwarded-for", "x-forwarded-host", "x-forwarded-proto"];
const ASKED_WHOLE = ["if-none-match", "if-modified-since", "if-range", "range"];
const NOT_WITH_COOKIES = ["expires", "surrogate-control", "edge-control", "x-accel-expires"];
const NOT_OF_FILLED = [...NOT_WITH_COOKIES, "etag", "last-modified", "content-length", "accept-ranges",
  "content-md5", "digest", "repr-digest", "content-digest", "age"];
const ASKED_BY = ["accept", "cookie"]; // what decides whether a page is filled
const WITHOUT_BODY = [101, 103, 204, 205, 304];
const NO_SLOTS = "none"; // with this as its Proffer-Slots, a page of the origin is no page of ours
const ASCII_BASED = ["utf-8", "utf8", "us-ascii", "ascii", "iso-8859-", "latin1", "windows-125"];

export class PageProxy {
  // `context.rewrite(body, slots)`: the page's pieces, filled; marking.js or scanning.js.
  constructor(context) { this.context = context; }

  // Answers from the origin.  `begin` is called when a page is about to be filled, and what it
  // gives when that is over.  Throws a Problem 400 or 413.
  async serve(request, policy, client, begin) {
    const guest = arrive(request, this.context);
    let response;
    try {
      response = await this.ask(request, guest, policy, client);
    } catch (error) {
      if (error instanceof Problem) throw error;
      return sorry(request, error);
    }
    const headers = endToEnd(response.headers), shop = headers.get("proffer-context") ?? "";
    const mayFill = policy && headers.get("proffer-slots") !== NO_SLOTS;
    headers.delete("proffer-context");
    headers.delete("proffer-slots");
    const plan = mayFill && isPage(response.status, headers) ? this.plan(policy, guest, headers, shop) : {};
    const { cookies = [], slots } = plan;
    if (cookies.length || slots) privately(headers, cookies, slots);
    else if (isHtml(headers) && mayFill && this.context.nowS() < policy.manifest.expires_s) vary(headers);
    const { status, statusText } = response, body = WITHOUT_BODY.includes(status) ? null : response.body;
    const filled = slots && body ? streamOf(between(begin(), this.context.rewrite(body, slots))) : body;
    return new Response(filled, { status, statusText, headers });
  }

  // What becomes of a page.
  plan(policy, guest, headers, said) {
    let shop;
    try {
      shop = readContext(said);
    } catch (error) {
      if (!(error instanceof ContextError)) throw error;
      console.warn(`a page keeps its defaults: ${error.message}`);
      return {};
    }
    const visit = beginVisit(guest, this.context, [shop.consent], shop.customer, shop.locale);
    if (noDecision(policy, visit)) return { cookies: visit.consent === "none" ? visit.cookies : [] };
    const script = scriptElement(headers.get("content-security-policy") ?? ""), { desk } = this.context;
    return {
      cookies: visit.cookies,
      slots: new PageSlots({ desk, policy, visit, attributes: shop.attributes, script }),
    };
  }

  // --- the request ---------------------------------------------------------------

  async ask(request, guest, policy, client) {
    const { settings } = this.context, body = bodyOf(request, settings.requestLimitBytes);
    const url = this.addressOf(request), controller = new AbortController();
    let isLate = false;
    const timer = setTimeout(() => { isLate = true; controller.abort(); }, 1000 * settings.originTimeoutS);
    try {
      return await fetch(url, {
        method: request.method, headers: this.headersOf(request, guest, policy, client), redirect: "manual",
        signal: controller.signal, ...body.init,
      });
    } catch (error) {
      if (body.isTooLarge?.()) throw tooLarge(settings.requestLimitBytes);
      throw isLate ? new TooLate(settings.originTimeoutS) : error;
    } finally {
      clearTimeout(timer);
    }
  }

  addressOf(request) {
    const { originUrl } = this.context.settings;
    if (!originUrl) return request.url;
    const target = request.url.slice(request.url.indexOf("/", 8));
    if (originUrl.split("/").length > 3 && climbs(target))
      throw new Problem("malformed-request", "It cannot be passed on: it has a segment `..`.");
    return originUrl + target;
  }

  headersOf(request, guest, policy, client) {
    const headers = endToEnd(request.headers), host = headers.get("host") ?? new URL(request.url).host;
    for (const name of [...headers.keys()]) if (isOurs(name)) headers.delete(name);
    if (policy && (headers.get("accept") ?? "").includes("text/html")) {
      if (["GET", "HEAD"].includes(request.method)) ASKED_WHOLE.forEach((name) => headers.delete(name));
      headers.set("accept-encoding", "identity");
    }
    if (this.context.decodes) headers.set("accept-encoding", "identity");
    const chain = headers.get("x-forwarded-for");
    for (const name of [...headers.keys()]) if (FORWARDED.includes(name.replaceAll("_", "-"))) headers.delete(name);
    headers.set("x-forwarded-for", chain ? `${chain}, ${client}` : client);
    headers.set("x-forwarded-host", host);
    headers.set("x-forwarded-proto", request.url.slice(0, request.url.indexOf(":")));
    const consent = settleConsent([guest.consent], this.context.settings.defaultConsent);
    if (consent === "full" && (policy || !guest.isNew)) headers.set("proffer-visitor", guest.visitor);
    headers.delete("host"); // is the address's own
    headers.delete("content-length"); // is the body's own
    return headers;
  }
}

// Whether a server, however it reads separators and escapes, may find `..` in the path.
const climbs = (target) => {
  const path = target.split("?", 1)[0].replace(/%2e/gi, ".").replace(/%2f/gi, "/").replace(/%5c/gi, "\\");
  return path.split(/[/\\]/).includes("..");
};

// Headers that are meant for the other end, not for this hop.
const endToEnd = (given) => {
  const headers = new Headers(given), named = headers.get("connection") ?? "";
  const isChunked = headers.has("transfer-encoding");
  for (const name of [...HOP_BY_HOP, ...named.toLowerCase().split(",").map((each) => each.trim())])
    if (/^[!#$%&'*+.^_`|~\w-]+$/.test(name)) headers.delete(name);
  if (isChunked) headers.delete("content-length"); // which it overrides
  return headers;
};

// Whether only the edge may say this.  With `_` too: what hands headers on as variables (CGI, WSGI)
// cannot tell it from `-`.
const isOurs = (name) => name.replaceAll("_", "-").startsWith("proffer-");

// { init } for fetch; `isTooLarge()` once a body of unknown length had too much.
const bodyOf = (request, limitBytes) => {
  const size = request.headers.get("content-length");
  if (size !== null && Number(size) > limitBytes) throw tooLarge(limitBytes);
  if (!request.body || ["GET", "HEAD"].includes(request.method)) return { init: {} };
  if (size !== null) return { init: { body: request.body, duplex: "half" } };
  let hasTooMuch = false;
  async function* counted() {
    let left = limitBytes;
    for await (const chunk of chunksOf(request.body)) {
      left -= chunk.length;
      hasTooMuch = left < 0;
      if (hasTooMuch) throw tooLarge(limitBytes);
      yield chunk;
    }
  }
  return { init: { body: streamOf(counted()), duplex: "half" }, isTooLarge: () => hasTooMuch };
};

// --- the response ---------------------------------------------------------------------------

const typeOf = (headers) => (headers.get("content-type") ?? "").toLowerCase();

const isHtml = (headers) => typeOf(headers).split(";", 1)[0].trim() === "text/html";

// Whether this is HTML that we can read and may change.
const isPage = (status, headers) => {
  const coded = !["", "identity"].includes((headers.get("content-encoding") ?? "").toLowerCase());
  if (!isHtml(headers) || coded || WITHOUT_BODY.includes(status) || status === 206) return false;
  const type = typeOf(headers), at = type.indexOf("charset=");
  const charset = at < 0 ? "" : type.slice(at + 8).trim().replace(/^[ "']+/, "");
  return at < 0 || ASCII_BASED.some((name) => charset.startsWith(name));
};

async function* between(end, pieces) {
  try {
    yield* pieces;
  } finally {
    end();
  }
}

// For this visitor's eyes only.
const privately = (headers, cookies, isFilled) => {
  for (const name of isFilled ? NOT_OF_FILLED : NOT_WITH_COOKIES) headers.delete(name);
  // RFC 9213: to some caches CDN-Cache-Control and its like say more than Cache-Control.
  for (const name of [...headers.keys()]) if (name.endsWith("cache-control")) headers.delete(name);
  headers.set(...NO_STORE);
  for (const cookie of cookies) headers.append("set-cookie", cookie);
};

// With what decides whether a page is filled among what the answer depends on.
const vary = (headers) => {
  const said = (headers.get("vary") ?? "").split(",").map((name) => name.trim()).filter(Boolean);
  const known = said.map((name) => name.toLowerCase());
  headers.set("vary", [...said, ...ASKED_BY.filter((name) => !known.includes(name))].join(", "));
};

// 502 or 504: as a page for people, as a problem for programs.
const sorry = (request, error) => {
  console.error(`the origin failed: ${describe(error)}`);
  const problem = error instanceof TooLate
    ? new Problem("origin-timeout", "The shop took too long to answer.")
    : new Problem("origin-unreachable", "The shop cannot be reached just now.");
  if (!(request.headers.get("accept") ?? "").includes("text/html")) return problem.answer();
  const page = `<!doctype html><html lang="en"><meta charset="utf-8"><title>${problem.title}</title>\n` +
    `<p>${problem.detail} Please try again.</p></html>\n`;
  const headers = [["content-type", "text/html; charset=utf-8"], NO_STORE];
  return new Response(page, { status: problem.status, headers });
};
