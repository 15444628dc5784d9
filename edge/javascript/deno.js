// The edge under Deno; docs/reference/javascript-worker.md.
//
//   deno serve --allow-net --allow-env --allow-read --allow-write edge/javascript/deno.js
//
// Variables are those of settings.js, from the environment; PROFFER_DATA names a folder for what
// survives a restart.  Deno has no HTMLRewriter: slots are found by the edge's own lexer (markup.js).
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { App, pastUs } from "./app.js";
import { scanned } from "./scanning.js";
import { SettingsError } from "./settings.js";

const FLUSH_S = 5;
const beside = (path) => new URL(path, import.meta.url);

// Files below a folder, written whole or not at all.
const folderStore = (folder) => ({
  async get(path) {
    try {
      return new Uint8Array(await readFile(join(folder, path)));
    } catch (error) {
      if (error.code === "ENOENT") return null;
      throw error;
    }
  },
  async put(path, bytes) {
    const file = join(folder, path), unfinished = `${file}.${crypto.randomUUID()}.part`;
    await mkdir(dirname(file), { recursive: true });
    await writeFile(unfinished, bytes);
    await rename(unfinished, file);
  },
});

const env = Deno.env.toObject();
let app = null;
try {
  app = new App(env, {
    module: await WebAssembly.compile(await readFile(beside("../kernel/kernel.wasm"))),
    scripts: {
      "page.js": await readFile(beside("../static/page.js"), "utf8"),
      "first": await readFile(beside("../browser/first.min.js"), "utf8"),
      "first-plain": await readFile(beside("../browser/first-plain.min.js"), "utf8"),
    },
    store: env.PROFFER_DATA ? folderStore(env.PROFFER_DATA) : null,
    rewrite: scanned,
    decodes: true,
  });
} catch (error) {
  if (!(error instanceof SettingsError)) throw error;
  console.error(`this edge cannot decide: ${error.message}`);
}

// Decisions that were logged are sent before the end.
const end = async () => {
  setTimeout(() => Deno.exit(0), 1000 * FLUSH_S);
  await app?.context.outbox.push();
  Deno.exit(0);
};
for (const signal of ["SIGINT", "SIGTERM"]) Deno.addSignalListener(signal, end);

export default {
  async fetch(request, info) {
    try {
      if (app) return await app.fetch(request, info.remoteAddr?.hostname ?? "", () => {});
    } catch (error) { console.error("a request failed", error); }
    return pastUs(request, env.PROFFER_ORIGIN_URL);
  },
};
