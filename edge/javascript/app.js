// The edge in JavaScript: the same addresses as edge/app.py, over the wasm kernel.
//
//   POST /_proffer/decide     decisions as JSON                        answering.js
//   POST /_proffer/beacon     what pages saw                           beacons.js
//   POST /_proffer/confirm    a token for what a page decided          confirming.js
//   GET  /_proffer/page.js    the script that tells what pages saw     scripts.js
//   GET  /_proffer/first...   the kernel script, for first paints      scripts.js
//   GET  /_proffer/healthz    which policy runs, and what waits
//   GET  /_proffer/problems/  what a problem's type means              problems.js
//   POST /ofrep/v1/...        decisions as feature flags               ofrep.js
//   anything else             from the shop's origin, its slots filled proxy.js
//
// An isolate serves many requests at once and has no life between them: no request waits for
// another's work, what they share is plain data, and what goes on in the background hangs on the
// request that found it due (`waitUntil`).
import { Kernel } from "../browser/kernel.js";
import { TrustError } from "../browser/trust.js";
import { answerDecide, jsonAnswer } from "./answering.js";
import { answerBeacon } from "./beacons.js";
import { answerConfirm } from "./confirming.js";
import { Seals } from "./cookies.js";
import { Desk } from "./deciding.js";
import { Delivery } from "./delivering.js";
import { Hasher, utf8 } from "./hashing.js";
import { quoted } from "./json.js";
import { PREFIX as OFREP, answerFlags } from "./ofrep.js";
import { Outbox } from "./outbox.js";
import { Policies } from "./policies.js";
import { NO_STORE, PLACE, PROBLEMS, Problem } from "./problems.js";
import { PageProxy } from "./proxy.js";
import { Scripts } from "./scripts.js";
import { readSettings } from "./settings.js";
import { sourceOf } from "./sources.js";
import { Keeper } from "./keeping.js";
import { sleep } from "./waiting.js";

export const PREFIX = "/_proffer/";
const OVERDUE = 4, WAIT_S = 1, LOOK_S = 25, POLL_S = 0.02;

export class App {
  // `env`: variables and bindings (settings.js).  `platform`: { module: the kernel as the platform has
  // compiled it, scripts: texts by name (scripts.js), store: keeping.js or null, rewrite: proxy.js, decodes: whether
  // its fetch takes content encodings off }.  Throws a SettingsError.
  constructor(env, platform) {
    const settings = readSettings(env), hasher = new Hasher(platform.module), { secrets } = settings;
    const nowS = () => Math.floor(Date.now() / 1000);
    const delivery = new Delivery(settings.controlUrl, env.BEACONS), edgeHmac = hasher.hmac(secrets.edge);
    const outbox = new Outbox((events) => delivery.deliver(events), edgeHmac, settings.tenant);
    const seals = new Seals(hasher.hmac(secrets.cookie)), shopHmac = hasher.hmac(utf8(secrets.shopKey));
    const { rewrite, decodes = false } = platform;
    this.context = { settings, nowS, delivery, outbox, seals, edgeHmac, shopHmac, rewrite, decodes };
    this.context.desk = new Desk(this.context);
    this.policies = new Policies({
      settings, hasher, nowS, kernel: new Kernel(platform.module),
      fetchFile: sourceOf(env, settings.controlUrl), keeper: new Keeper(platform.store),
    });
    this.proxy = new PageProxy(this.context);
    this.scripts = new Scripts(platform.scripts, hasher);
    this.open = 0;
    this.opened = false;
    this.lookedMs = null;
    this.lookingUntilMs = 0;
  }

  // The answer to a request.  `client`: its address; `waitUntil` keeps this request's life going.
  async fetch(request, client, waitUntil) {
    const looking = this.look(waitUntil);
    if (looking) await looking;
    this.open++;
    try {
      return await this.answer(request, client, waitUntil);
    } finally {
      this.open--;
      this.push(waitUntil);
    }
  }

  push(waitUntil) {
    const pushing = this.context.outbox.due();
    if (pushing) waitUntil(pushing);
  }

  async answer(request, client, waitUntil) {
    try {
      const path = pathOf(request.url);
      checkRequest(request);
      if (path.startsWith(OFREP)) return await answerFlags(request, decoded(path), this.context, this.policies.current);
      if (!path.startsWith(PREFIX)) return await this.serve(request, client, waitUntil);
      const answer = await this.handlerOf(request, path)(request, path);
      return request.method === "HEAD" ? new Response(null, answer) : answer;
    } catch (error) {
      if (error instanceof Problem) return error.answer();
      console.error("a request failed", error);
      return new Problem("internal", "The request was not answered.").answer();
    }
  }

  handlerOf({ method }, rawPath) {
    const path = decoded(rawPath);
    const name = path.startsWith(PLACE) ? "problems/" : path.slice(PREFIX.length);
    const [wanted, handler] = this.scripts.has(name) ? SCRIPT : Object.hasOwn(ROUTES, name) ? ROUTES[name] : [];
    if (!handler) throw new Problem("not-found", `The edge has nothing at ${quoted(path.slice(0, 200))}.`);
    if (method !== wanted && !(wanted === "GET" && method === "HEAD"))
      throw new Problem("method-not-allowed", `${quoted(path)} takes ${wanted}.`, [["allow", wanted]]);
    return handler.bind(this);
  }

  // A page's slots are decided while it streams, and what was decided is sent afterwards.
  serve(request, client, waitUntil) {
    return this.proxy.serve(request, this.policies.current, client, () => {
      let end;
      waitUntil(new Promise((resolve) => { end = resolve; }).then(() => this.context.outbox.due()));
      return end;
    });
  }

  decide(request) { return answerDecide(request, this.context, this.policies.current); }

  beacon(request) { return answerBeacon(request, this.context, this.policies.current); }

  confirm(request) { return answerConfirm(request, this.context, this.policies.current); }

  script(request, path) { return this.scripts.answer(request, path.slice(PREFIX.length)); }

  metrics() { throw new Problem("not-found", "This home of the edge keeps no numbers."); }

  // What a problem's `type` points to.
  problem(request, path) {
    const name = path.slice(PLACE.length);
    if (!Object.hasOwn(PROBLEMS, name)) throw new Problem("not-found", `There is no problem type ${quoted(name.slice(0, 80))}.`);
    const [title, status, help] = PROBLEMS[name];
    return new Response(`${title} (${status})\n\n${help}\n`, { headers: { "content-type": "text/plain; charset=utf-8" } });
  }

  health() {
    const policy = this.running(), { outbox, nowS } = this.context;
    const status = !policy ? "no-policy" : nowS() < policy.expires_s ? "ok" : "stale";
    return jsonAnswer({
      status, policy, refreshing: this.policies.story, open: this.open, queued: outbox.size, outbox: outbox.tally,
    });
  }

  running() {
    if (!this.policies.current) return null;
    const { epoch, sequence, releases, issued_s, expires_s } = this.policies.current.manifest;
    const bundles = releases.map(({ bundle }) => bundle);
    return { epoch, sequence, bundles, issued_s, expires_s, age_s: this.context.nowS() - issued_s };
  }

  // --- the policy -------------------------------------------------------------

  // When to look for a newer policy: edge/isolate/living.py says.  A promise for whoever must wait.
  look(waitUntil) {
    const nowMs = Date.now(), ageMs = this.lookedMs === null ? Infinity : nowMs - this.lookedMs;
    const refreshMs = 1000 * this.context.settings.refreshS, isOverdue = ageMs >= OVERDUE * refreshMs;
    if (ageMs < refreshMs) return null;
    if (nowMs < this.lookingUntilMs) return isOverdue ? this.waitForAnother() : null;
    this.lookingUntilMs = nowMs + 1000 * LOOK_S;
    const looking = this.lookNow();
    waitUntil(looking);
    return isOverdue ? Promise.race([looking, sleep(WAIT_S)]) : null;
  }

  // Another request looks.  Its promises are its own: this one only looks at the clock.
  async waitForAnother() {
    const untilMs = Date.now() + 1000 * WAIT_S;
    while (this.lookingUntilMs && Date.now() < untilMs) await sleep(POLL_S);
  }

  // Never throws.
  async lookNow() {
    try {
      await (this.opened ? this.policies.refresh() : this.policies.open());
      this.opened = true;
    } catch (error) {
      if (!(error instanceof TrustError)) throw error;
      console.error(`PROFFER_ROOT is no root of this shop: ${error.message}`);
    } finally {
      this.lookedMs = Date.now();
      this.lookingUntilMs = 0;
    }
  }

  // --- the queue --------------------------------------------------------------

  // Hand events on to the control plane; what does not get there is tried again.
  async takeMessages(batch) {
    for (const message of batch.messages) {
      try {
        await this.context.delivery.handOn(message.body);
        message.ack();
      } catch (error) {
        console.error(`events stay in the queue: ${error.message}`);
        message.retry();
      }
    }
  }
}

const { prototype: app } = App, SCRIPT = ["GET", app.script];
const ROUTES = {
  "decide": ["POST", app.decide],
  "confirm": ["POST", app.confirm],
  "beacon": ["POST", app.beacon],
  "healthz": ["GET", app.health],
  "metrics": ["GET", app.metrics],
  "problems/": ["GET", app.problem],
};

// As a server reads it: Python's `unquote`.
const decoded = (path) => {
  if (!path.includes("%")) return path;
  return path.replace(/(?:%[0-9a-f]{2})+/gi, (run) => {
    const bytes = Uint8Array.from(run.slice(1).split("%"), (hex) => parseInt(hex, 16));
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  });
};

const pathOf = (url) => {
  const from = url.indexOf("/", 8), query = url.indexOf("?", from);
  return from < 0 ? "/" : query < 0 ? url.slice(from) : url.slice(from, query);
};

// Throws a Problem for what two servers could read in two ways.
const checkRequest = ({ headers }) => {
  if (!headers.has("content-length") || !headers.has("transfer-encoding")) return;
  const detail = "Content-Length and Transfer-Encoding contradict each other: send one of them.";
  throw new Problem("malformed-request", detail, [["connection", "close"]]);
};

// The origin's own answer, with nothing of ours in it: for when the edge itself is in no state to work.
export const pastUs = (request, originUrl) => {
  const { pathname, search } = new URL(request.url);
  if (pathname.startsWith(PREFIX) || request.bodyUsed)
    return new Response("This edge cannot answer; its log says why.", { status: 503 });
  const address = originUrl ? new Request(originUrl.replace(/\/+$/, "") + pathname + search, request) : request;
  return fetch(address, { redirect: "manual" });
};
