// The trust vectors, told to the edge in workerd.
import module from "../../../edge/kernel/kernel.wasm";
import { tellAll } from "../../conformance/trust/telling.mjs";

export default {
  async fetch(request) {
    if (request.method === "GET") return new Response("ready");
    return Response.json(await tellAll(await request.json(), module));
  },
};
