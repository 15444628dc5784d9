// A home for edge/decision: Pyodide under Node.
//
//   node pyodide_home.mjs stdlib <pyodide> <out.zip>
//       writes the standard library as .pyc: starting from sources takes most
//       of a boot (seconds instead of one)
//   node pyodide_home.mjs serve <pyodide> <stdlib.zip> <msgspec.whl> <checkout>
//       runs Python until stdin ends
//
// Frames, both ways: uint32 little-endian length, then as many bytes.
// serve says "+" when it is ready.  Then a request is two frames, Python source
// and payload; its answer is one frame, "+" and the bytes that `main(payload)`
// returned, or "-" and the end of the traceback.
//
// Everything is synchronous on purpose: one question, one answer.  stdin and
// stdout belong to the frames.  So whatever Python or Pyodide prints goes to
// stderr, and Pyodide gets an empty stdin: left alone it opens process.stdin,
// which makes the pipe non-blocking and our reads fail with EAGAIN.
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

console.log = console.error;

const ERROR_CHARS = 2000; // a stack trace of Pyodide's can be a megabyte
const SITE = "/lib/python3.14/site-packages";

const [command, pyodideDir, ...files] = process.argv.slice(2);
const commands = { stdlib: writeStdlib, serve };
await commands[command](...files);
process.exit(0);

async function boot(options = {}) {
  const { loadPyodide } = await import(pathToFileURL(path.resolve(pyodideDir, "pyodide.mjs")));
  const toStderr = (line) => process.stderr.write(line + "\n");
  return loadPyodide({
    indexURL: path.resolve(pyodideDir) + "/",
    stdin: () => null, stdout: toStderr, stderr: toStderr, ...options,
  });
}

// Compiled inside Pyodide itself, so that the bytecode is this interpreter's.
async function writeStdlib(out) {
  const py = await boot();
  py.runPython(`
import importlib._bootstrap_external as external, zipfile
LIBRARY = "/lib/python314.zip"
with zipfile.ZipFile(LIBRARY) as sources, zipfile.ZipFile("/out.zip", "w") as out:
    for entry in sources.infolist():
        name, data = entry.filename, sources.read(entry)
        if name.endswith(".py"):
            code = compile(data, f"{LIBRARY}/{name}", "exec", dont_inherit=True)
            data = external._code_to_hash_pyc(code, bytes(8), False)
            name += "c"
        out.writestr(zipfile.ZipInfo(name), data)
`);
  fs.writeFileSync(out, py.FS.readFile("/out.zip"));
}

async function serve(stdlib, wheel, checkout) {
  const py = await boot({ stdLibURL: path.resolve(stdlib) });
  py.unpackArchive(new Uint8Array(fs.readFileSync(wheel)), "whl", { extractDir: SITE });
  mountEdge(py, checkout);
  const answer = py.runPython(`
import importlib, traceback
importlib.invalidate_caches()

def answer(source, payload, mains={}):
    try:
        if source not in mains:
            module = {"__name__": "question"}
            exec(compile(source, "question.py", "exec"), module)
            mains[source] = module["main"]
        result = mains[source](payload.to_bytes())
        if not isinstance(result, bytes):
            raise TypeError(f"main() returned {type(result).__name__}, not bytes")
        return b"+" + result
    except BaseException:
        return b"-" + traceback.format_exc()[-${ERROR_CHARS}:].encode("utf-8", "replace")

answer`);
  writeFrame(Buffer.from("+"));
  for (let source; (source = readFrame()) !== null; ) {
    const payload = readFrame();
    try {
      const result = answer(new TextDecoder().decode(source), payload);
      writeFrame(result.toJs());
      result.destroy();
    } catch (error) { // not Python's: the interpreter itself broke
      writeFrame(Buffer.from("-" + String(error).slice(-ERROR_CHARS)));
      process.exit(1);
    }
  }
}

// Only what a home may hold: edge/__init__.py and edge/decision.
function mountEdge(py, checkout) {
  const copy = (relative) => {
    const from = path.join(checkout, relative), to = `${SITE}/${relative}`;
    if (!fs.statSync(from).isDirectory()) return py.FS.writeFile(to, fs.readFileSync(from));
    py.FS.mkdirTree(to);
    for (const name of fs.readdirSync(from)) if (name !== "__pycache__") copy(`${relative}/${name}`);
  };
  copy("edge/decision");
  copy("edge/__init__.py");
}

function readFrame() {
  const head = readExactly(4);
  return head && readExactly(new DataView(head.buffer).getUint32(0, true));
}

function readExactly(sizeBytes) {
  const bytes = new Uint8Array(sizeBytes); // Pyodide knows no Buffer
  for (let at = 0; at < sizeBytes; ) {
    const got = fs.readSync(0, bytes, at, sizeBytes - at);
    if (got === 0) return null; // stdin ended: the tests are over
    at += got;
  }
  return bytes;
}

function writeFrame(bytes) {
  const frame = Buffer.alloc(4 + bytes.length);
  frame.writeUInt32LE(bytes.length, 0);
  frame.set(bytes, 4);
  for (let at = 0; at < frame.length; ) at += fs.writeSync(1, frame, at);
}
