// The kernel, the loops that it is measured against, and the engines, in one process, in turns.
//
//   node --expose-gc kernel.mjs JOB            times all, prints one JSON object
//   node --expose-gc kernel.mjs JOB ENGINE     resident bytes that one engine takes, once loaded
//
// JOB is a JSON file: { folder: of kernel.js, wasm, stages, bare, bundle, policy, requests,
// manifest: file names, seen: how many requests are timed again and again, new: how many once }.
//
// A sample is the mean of `repeats` calls on one request: more for what takes less, so that the
// clock (50 ns) does not count.  New requests are timed by one call.
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { Choosing } from "./choosing.mjs";
import { Eppo } from "./eppo.mjs";
import { Flagd } from "./flagd.mjs";
import { GrowthBookFlags } from "./growthbook.mjs";
import { JsonLogic, JsonLogicCompiled } from "./jsonlogic.mjs";
import { Scan } from "./scan.mjs";

const ENGINES = {
  "plain scan": Scan,
  "GrowthBook": GrowthBookFlags,
  "Eppo": Eppo,
  "flagd": Flagd,
  "json-logic-engine": JsonLogic,
  "json-logic-engine, compiled": JsonLogicCompiled,
};
const TURNS = 10;

console.info = console.debug = console.log;
const job = JSON.parse(await readFile(process.argv[2], "utf-8"));
const bytes = async (name) => new Uint8Array(await readFile(name));
const [bundle, manifest, wasm] = await Promise.all([job.bundle, job.manifest, job.wasm].map(bytes));
const text = await readFile(job.policy, "utf-8");
const requests = JSON.parse(await readFile(job.requests, "utf-8"));
const { loadKernel, readVerdict } = await import(pathToFileURL(`${job.folder}/kernel.js`));

const us = (milliseconds) => milliseconds * 1000;

// Microseconds of one call, as the mean of some.  What takes long is interrupted by other work
// of the machine: then the process's own processor time counts, as in bench/ours.py.
const SHORT_MS = 0.3;
const timed = (repeats, work) => {
  const cpu = process.cpuUsage(), start = performance.now();
  for (let i = 0; i < repeats; i++) work();
  const wall = performance.now() - start, { user, system } = process.cpuUsage(cpu);
  return us(wall < SHORT_MS ? wall : Math.min(wall, (user + system) / 1000)) / repeats;
};

// --- the kernel and its loops --------------------------------------------------------------

// A module of bench/kernel_stages.c, opened; `begin` puts it before a request.
async function staged(name) {
  const policy = (await loadKernel(await bytes(name))).open(bundle), { kernel } = policy;
  return {
    kernel,
    begin(data) {
      policy.put(data, policy.request);
      policy.put(manifest, policy.rest);
      const at = [policy.scratch, policy.rest, manifest.length, policy.request, data.length];
      if (!kernel.stage_begin(...at)) throw new Error("a request was not read");
    },
  };
}

async function ours() {
  const kernel = await loadKernel(wasm), policy = kernel.open(bundle);
  return { kernel, policy, stages: await staged(job.stages), bare: await staged(job.bare) };
}

const parsed = requests.map((request) => JSON.parse(request));

// [arm, arms listed, tickets] of the one slot, as Choosing gives them.
function outcome(policy, request) {
  const [{ shown }] = readVerdict(policy.decideRequest(manifest, request));
  return [shown.arm, shown.listed.map(([arm]) => arm), shown.listed.map(([, tickets]) => tickets)];
}

// --- one engine --------------------------------------------------------------------------------

function decided(engine, choosing, facts) {
  const scored = choosing.score(facts, engine.eligible(facts));
  return choosing.choose(scored, choosing.ticket(facts));
}

function agree(name, engine, choosing, policy, count) {
  for (let i = 0; i < count; i++) {
    const told = JSON.stringify(decided(engine, choosing, engine.read(parsed[i])));
    const kernel = JSON.stringify(outcome(policy, parsed[i]));
    if (told !== kernel) throw new Error(`request ${i}: ${name} says ${told}, the kernel ${kernel}`);
  }
}

// --- all in turns -------------------------------------------------------------------------------

async function times() {
  const found = {}, add = (name, column, value) => ((found[name] ??= {})[column] ??= []).push(value);
  const plain = JSON.parse(text), choosing = new Choosing(plain), engines = {};
  const { kernel, policy, stages, bare } = await ours();
  for (const [name, Kind] of Object.entries(ENGINES)) {
    add(name, "load", timed(1, () => { engines[name] = new Kind(JSON.parse(text), requests[0]); }));
    agree(name, engines[name], choosing, policy, Math.min(plain.offers.length > 1000 ? 10 : 30, requests.length));
  }
  for (let i = 0; i < 5; i++) add("kernel", "load", timed(1, () => kernel.open(bundle)));
  for (let i = 0; i < 10; i++) {
    const opened = kernel.open(bundle);
    add("kernel", "first", timed(1, () => opened.decideRequest(manifest, parsed[i])));
  }

  const encoded = parsed.map((request) => policy.encode(request).data);
  const seen = [...encoded.keys()].slice(0, job.seen), late = [...encoded.keys()].slice(job.seen);
  const small = Math.max(2, Math.round(2000 / plain.offers.length));
  const work = {
    kernel(i) {
      const data = encoded[i];
      stages.begin(data);
      add("kernel", "eligible", timed(20 * small, () => stages.kernel.stage_eligible()));
      add("kernel", "decide", timed(small, () => policy.decide(manifest, data)));
      add("kernel", "full", timed(small, () => policy.decideRequest(manifest, parsed[i])));
    },
    "bare loop"(i) {
      bare.begin(encoded[i]);
      bare.kernel.bare_prepare();
      add("bare loop", "eligible", timed(20 * small, () => bare.kernel.bare_eligible()));
      add("bare loop", "decide", timed(5 * small, () => bare.kernel.bare_decide()));
    },
  };
  for (const [name, engine] of Object.entries(engines)) {
    const repeats = plain.offers.length > 300 ? 1 : 2;
    work[name] = (i) => {
      const facts = engine.read(parsed[i]);
      add(name, "eligible", timed(repeats, () => engine.eligible(facts)));
      add(name, "decide", timed(repeats, () => decided(engine, choosing, facts)));
      add(name, "full", timed(repeats, () => decided(engine, choosing, engine.read(parsed[i]))));
    };
  }
  for (const one of Object.values(work)) for (const i of seen) one(i); // warm
  for (const name of Object.keys(found)) { delete found[name].eligible; delete found[name].decide; delete found[name].full; }
  for (let turn = 0; turn < TURNS; turn++)
    for (const one of Object.values(work))
      for (const i of seen.filter((i) => i % TURNS === turn)) for (let round = 0; round < job.rounds; round++) one(i);

  const fresh = kernel.open(bundle); // code is warm; what was remembered of requests is gone
  for (const i of late) add("kernel", "new", timed(1, () => fresh.decideRequest(manifest, parsed[i])));
  return { requests: seen.length, found };
}

// --- memory --------------------------------------------------------------------------------------

async function memory(name) {
  const size = () => { globalThis.gc(); globalThis.gc(); return process.memoryUsage().rss; };
  const before = size();
  let kept;
  if (name === "kernel") {
    kept = (await loadKernel(wasm)).open(bundle);
    for (const request of parsed) kept.decideRequest(manifest, request);
  } else {
    const engine = new ENGINES[name](JSON.parse(text), requests[0]);
    for (const request of parsed.slice(0, 20)) engine.eligible(engine.read(request));
    kept = engine;
  }
  return { bytes: size() - before, kept: kept !== undefined };
}

const [, , , engine] = process.argv;
console.log = console.error; // stdout is for the answer
process.stdout.write(JSON.stringify(engine ? await memory(engine) : await times()));
