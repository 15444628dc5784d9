// The edge as a Cloudflare Worker in JavaScript; docs/reference/javascript-worker.md.
//
// At module scope there is no clock and no chance: what needs them is made by the first request.
import kernel from "../kernel/kernel.wasm";
import first from "../browser/first.min.js";
import plain from "../browser/first-plain.min.js";
import page from "../static/page.js";
import { App, pastUs } from "./app.js";
import { namespaceStore } from "./keeping.js";
import { marked } from "./marking.js";
import { SettingsError } from "./settings.js";

let app = null;

const appOf = (env) => app ??= new App(env, {
  module: kernel, scripts: { "page.js": page, first, "first-plain": plain }, rewrite: marked,
  store: env.EDGE_KV ? namespaceStore(env.EDGE_KV) : null,
});

export default {
  // Whatever fails of ours, a page is still the shop's own.
  async fetch(request, env, ctx) {
    try {
      const client = request.headers.get("cf-connecting-ip") ?? "";
      return await appOf(env).fetch(request, client, (promise) => ctx.waitUntil(promise));
    } catch (error) {
      if (error instanceof SettingsError) console.error(`this worker cannot decide: ${error.message}`);
      else console.error("a request failed", error);
    }
    return pastUs(request, env.PROFFER_ORIGIN_URL);
  },

  queue(batch, env) { return appOf(env).takeMessages(batch); },
};
