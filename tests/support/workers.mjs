// Runs deployment folders in the real Python Workers runtime, with bindings by miniflare.
//
//   node workers.mjs <options.json>        Node 22 or newer
//
// options: {folder, persist, workers: [{name, host, vars, flags, kv, r2, producers, consumers}]}
// Each worker is the folder's, in an isolate of its own; the header Host says whose a request is.
// With `modules` ([{type, path, file}], the entry first) and `flags` instead of `folder`, it is
// another kind of worker.
//
// Afterwards every line of stdin is a question, and every line of stdout its answer, as JSON:
//   {"do": "put", "in": "kv" | "r2", "worker", "binding", "key", "base64"}
//   {"do": "get", ...}       -> {"base64"} or {}
//   {"do": "delete", ...}
//   {"do": "restart", "vars": {worker: {...}}}    new isolates; what was stored stays
// stdin's end ends it.  What the workers log goes to stderr, each line cut short: a stack
// trace of Pyodide's holds the whole interpreter.
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";
import { Miniflare, convertV4MiniflareOptions, Log, LogLevel } from "miniflare";

const LINE_CHARS = 2000;
console.log = console.info = console.debug = console.error; // stdout is for answers alone
const options = JSON.parse(fs.readFileSync(process.argv[2], "utf8"));
const say = (value) => process.stdout.write(JSON.stringify(value) + "\n");
const cut = (stream) => readline.createInterface({ input: stream })
  .on("line", (line) => process.stderr.write(line.slice(0, LINE_CHARS) + "\n"));

// As wrangler uploads it: the folder of `main`, then what is vendored.
function modulesOf(folder) {
  const list = (below) => fs.readdirSync(path.join(folder, below), { withFileTypes: true })
    .flatMap((entry) => {
      const name = below ? `${below}/${entry.name}` : entry.name;
      return entry.isDirectory() ? list(name) : [name];
    });
  const module = (type, file, name) =>
    ({ type, path: name, contents: fs.readFileSync(path.join(folder, file)) });
  const own = list("edge").map((file) =>
    module(file.endsWith(".py") ? "PythonModule" : "Data", file, file.slice("edge/".length)));
  const vendored = list("python_modules").map((file) =>
    module(file.endsWith(".js") ? "ESModule" : "Data", file, file));
  const [entry] = own.splice(own.findIndex((one) => one.path === "worker.py"), 1);
  return [entry, ...own, ...vendored];
}

const readModules = (list) =>
  list.map(({ type, path, file }) => ({ type, path, contents: fs.readFileSync(file) }));

function miniflareOptions(vars = {}) {
  const modules = options.modules ? readModules(options.modules) : modulesOf(options.folder);
  return convertV4MiniflareOptions({
    port: options.port ?? 0, cf: false, log: new Log(LogLevel.WARN), defaultPersistRoot: options.persist,
    handleRuntimeStdio: (stdout, stderr) => { cut(stdout); cut(stderr); },
    workers: options.workers.map((worker) => ({
      name: worker.name, modules, modulesRoot: "",
      compatibilityDate: options.date,
      compatibilityFlags: options.flags ?? ["python_workers", "python_workers_development", "experimental"],
      routes: [`${worker.host}/*`],
      bindings: { ...worker.vars, ...vars[worker.name] },
      kvNamespaces: worker.kv ?? {}, r2Buckets: worker.r2 ?? {},
      queueProducers: worker.producers ?? {}, queueConsumers: worker.consumers ?? {},
    })),
  });
}

const miniflare = new Miniflare(miniflareOptions());
try {
  say({ url: String(await miniflare.ready) });
} catch (error) {
  say({ error: String(error?.stack ?? error).slice(0, LINE_CHARS) });
  process.exit(1);
}

const stores = {
  kv: (binding, worker) => miniflare.getKVNamespace(binding, worker),
  r2: (binding, worker) => miniflare.getR2Bucket(binding, worker),
};

const commands = {
  async put({ in: kind, worker, binding, key, base64 }) {
    const store = await stores[kind](binding, worker);
    await store.put(key, new Uint8Array(Buffer.from(base64, "base64")).buffer);
    return {};
  },
  async get({ in: kind, worker, binding, key }) {
    const store = await stores[kind](binding, worker);
    const found = kind === "kv" ? await store.get(key, "arrayBuffer") : await store.get(key);
    if (found === null) return {};
    const bytes = kind === "kv" ? found : await found.arrayBuffer();
    return { base64: Buffer.from(bytes).toString("base64") };
  },
  async delete({ in: kind, worker, binding, key }) {
    await (await stores[kind](binding, worker)).delete(key);
    return {};
  },
  async restart({ vars }) {
    await miniflare.setOptions(miniflareOptions(vars));
    return { url: String(await miniflare.ready) };
  },
};

for await (const line of readline.createInterface({ input: process.stdin })) {
  const question = JSON.parse(line);
  try {
    say(await commands[question.do](question));
  } catch (error) {
    say({ error: String(error?.stack ?? error).slice(0, LINE_CHARS) });
  }
}
await miniflare.dispose();
process.exit(0);
