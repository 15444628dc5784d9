// Starts Python in a web worker, for later views: the same files that servers run.  A start takes
// seconds, so it waits until the page has loaded and has nothing better to do; the page's Performance
// timeline tells how long it took ("proffer-python").
//
//   const python = await startPython({ worker: "/proffer/pythonWorker.js", pyodide: "/pyodide/",
//     archives: ["/proffer/edge.whl", "/proffer/msgspec.whl"], bundle, manifest });
//   const decided = await python.decide(request);       // as the kernel decides, byte for byte
//
// The worker's address is ours to choose once, so pages with Trusted Types allow the policy
// `proffer-python`.
import { whenIdle } from "./whenIdle.js";

const NAME = "proffer-python";

const open = (address) => {
  const policy = globalThis.trustedTypes?.createPolicy(NAME, { createScriptURL: (url) => url });
  return new Worker(policy ? policy.createScriptURL(address) : address, { type: "module" });
};

const absolute = (address) => new URL(address, location.href).href;

export const startPython = ({ worker: address, pyodide, stdlib, archives, bundle, manifest }) =>
  new Promise((resolve, reject) => whenIdle(() => {
    const worker = open(address), waiting = new Map();
    let last = 0;
    performance.mark(NAME);
    const fail = (error) => {
      reject(error);
      waiting.forEach(([, refuse]) => refuse(error));
      waiting.clear();
    };
    const settle = ({ id, decided, error }) => {
      const [well, ill] = waiting.get(id) ?? [];
      waiting.delete(id);
      if (error) ill?.(new Error(error));
      else well?.(decided);
    };
    worker.onerror = (event) => fail(new Error(event.message || "the worker did not start"));
    worker.onmessage = ({ data }) => {
      if (data.started) {
        performance.measure(NAME, NAME);
        resolve({ decide, started: data.started, close: () => worker.terminate() });
      } else if (data.id) settle(data);
      else fail(new Error(data.error));
    };
    const decide = (request) => new Promise((well, ill) => {
      waiting.set(++last, [well, ill]);
      worker.postMessage({ id: last, request });
    });
    worker.postMessage({ start: {
      pyodide: absolute(pyodide), stdlib: stdlib && absolute(stdlib), archives: archives.map(absolute),
      bundle, manifest,
    } });
  }));
