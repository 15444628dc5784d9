// The edge's HTMLRewriter in workerd, asked with batches of documents.
import { marked } from "../../../edge/javascript/marking.js";
import { rewriteAll } from "./rewriting.mjs";

export default {
  async fetch(request) {
    return request.method === "GET" ? new Response("ready") : new Response(await rewriteAll(marked, await request.text()));
  },
};
