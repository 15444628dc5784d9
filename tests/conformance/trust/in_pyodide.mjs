// Tells the trust vectors to the edge's own Python in Pyodide under Node.
//
//   node in_pyodide.mjs <pyodide> <stdlib.zip> <msgspec.whl> <folder with edge/> <asked.json> <main>
//
// <main> is a function of `in_python.py`.  Fetching and Ed25519 are Node's own; the last line of
// stdout has what it gives.
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const ERROR_CHARS = 2000; // a stack trace of Pyodide's can be a megabyte
const SITE = "/lib/python3.14/site-packages";
const [pyodide, stdlib, wheel, folder, asked, main] = process.argv.slice(2);

try {
  const { loadPyodide } = await import(pathToFileURL(path.resolve(pyodide, "pyodide.mjs")));
  const toStderr = (line) => process.stderr.write(`${line.slice(0, ERROR_CHARS)}\n`);
  const py = await loadPyodide({
    indexURL: path.resolve(pyodide) + "/", stdLibURL: path.resolve(stdlib),
    stdin: () => null, stdout: toStderr, stderr: toStderr,
  });
  py.unpackArchive(new Uint8Array(fs.readFileSync(wheel)), "whl", { extractDir: SITE });
  const copy = (below) => {
    py.FS.mkdirTree(`${SITE}/${below}`);
    for (const entry of fs.readdirSync(path.join(folder, below), { withFileTypes: true })) {
      const name = `${below}/${entry.name}`;
      if (entry.isDirectory()) copy(name);
      else py.FS.writeFile(`${SITE}/${name}`, fs.readFileSync(path.join(folder, name)));
    }
  };
  copy("edge");
  py.globals.set("asked", new Uint8Array(fs.readFileSync(asked)));
  // A bucket and a namespace with these files, as the platform's bindings look.
  py.globals.set("bindings_of", (lent) => {
    const files = new Map(Object.entries(lent.toJs())); // Python's own object is gone after this call
    const find = (path) => files.get(path) ?? null;
    const stream = (bytes) => bytes && new Response(bytes).body;
    return {
      bucket: { async get(path) { const found = find(path); return found && { body: stream(found) }; } },
      namespace: {
        async get(path, kind) {
          const found = find(path);
          return found && (kind === "stream" ? stream(found) : found.slice().buffer);
        },
        async put() {},
      },
      queue: { async send() {} },
    };
  });
  const told = await py.runPythonAsync(`
import importlib; importlib.invalidate_caches()
import js
from pyodide.ffi import JsException, jsnull
from edge import in_python
(await in_python.${main}(asked.to_bytes(), js, JsException, jsnull, bindings_of)).decode()
`);
  process.stdout.write(told + "\n");
  process.exit(0);
} catch (error) {
  process.stderr.write(String(error?.message ?? error).slice(-ERROR_CHARS) + "\n");
  process.exit(1);
}
