// The kernel's loader in workerd: a module worker whose wasm the platform has compiled.
import * as loader from "./kernel.js";
import * as creatives from "./creatives.js";
import source from "./kernel.wasm";
import { answerAll } from "./answering.mjs";

export default {
  async fetch(request) {
    if (request.method === "GET") return new Response("ready");
    return new Response(await answerAll({ loader, creatives, source }, await request.text()));
  },
};
