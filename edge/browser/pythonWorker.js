// A web worker in which Python decides: Pyodide, msgspec, and edge's own files, bytes for bytes those
// that servers run.  lib/startPython.js is the other end.
//
//   to us    { start: { pyodide, stdlib, archives, bundle, manifest } }   addresses; bytes
//            { id, request }                                             a request's fields
//   from us  { started: { runtime_ms, files_ms, policy_ms } }
//            { id, decided }  or  { id, error }                          `error` without id: no start

const SITE = "/lib/python3.14/site-packages";

const timed = (times, name, since) => { times[name] = Math.round(performance.now() - since); };

const bytesAt = async (address) => {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
  return answer.arrayBuffer();
};

const start = async ({ pyodide, stdlib, archives, bundle, manifest }) => {
  const times = {}, begin = performance.now();
  const files = archives.map(bytesAt); // while the runtime starts
  const { loadPyodide } = await import(`${pyodide}pyodide.mjs`);
  const python = await loadPyodide({ indexURL: pyodide, ...stdlib && { stdLibURL: stdlib } });
  timed(times, "runtime_ms", begin);
  const unpacking = performance.now();
  for (const file of await Promise.all(files)) python.unpackArchive(file, "zip", { extractDir: SITE });
  python.pyimport("importlib").invalidate_caches();
  timed(times, "files_ms", unpacking);
  const opening = performance.now();
  const { Home } = python.pyimport("edge.browser.python_home");
  const [data, block] = [bundle, manifest].map((bytes) => python.toPy(bytes).tobytes());
  const home = Home(data, block);
  timed(times, "policy_ms", opening);
  postMessage({ started: times });
  return home;
};

let home = null;

onmessage = async ({ data }) => {
  try {
    if (data.start) home = start(data.start);
    const { answer } = await home;
    if (data.id) postMessage({ id: data.id, decided: JSON.parse(answer(JSON.stringify(data.request))) });
  } catch (error) {
    postMessage({ id: data.id, error: String(error).slice(-2000) });
  }
};
