// The engines from npm, one process, in turns with our own runtimes.
//
//   node home.mjs        answers JSON lines [command, ...arguments] on stdin, one line each
//
//   open      policy (bench/plain.py), requests      every engine ready, rules precompiled
//   outcomes  engine, rows   per request [eligible rows, arm, arms listed, tickets]
//   stages    engine, rows   per request nanoseconds {encode, eligible, score, hash, choose}
//   decides   engine, rows   per request nanoseconds of eligible + score + hash + choose
//   cold      engine, times  nanoseconds of the first decision of an engine just made
//   forget                   nothing: these engines remember nothing of a request
//
// An engine is { read(request) -> facts, eligible(facts) -> rows }.  Scoring and choosing
// are the same hand-written JavaScript for all of them: none of them scores.
import { createInterface } from "node:readline";
import { Choosing } from "./choosing.mjs";
import { Eppo } from "./eppo.mjs";
import { GrowthBookFlags } from "./growthbook.mjs";
import { JsonLogic, JsonLogicCompiled } from "./jsonlogic.mjs";

const KINDS = {
  "GrowthBook": GrowthBookFlags,
  "Eppo": Eppo,
  "json-logic-engine": JsonLogic,
  "json-logic-engine, compiled": JsonLogicCompiled,
};

let policy, texts, engines, choosing;

const commands = {
  open(given, requests) {
    policy = given;
    texts = requests;
    engines = Object.fromEntries(Object.entries(KINDS).map(([k, Kind]) => [k, new Kind(policy, texts[0])]));
    choosing = new Choosing(policy);
  },
  outcomes(engine, asked) {
    return asked.map((row) => {
      const facts = engines[engine].read(JSON.parse(texts[row]));
      const rows = engines[engine].eligible(facts);
      return [rows, ...choosing.choose(choosing.score(facts, rows), choosing.ticket(facts))];
    });
  },
  stages: (engine, rows) => rows.map((row) => stages(engines[engine], texts[row])),
  decides: (engine, rows) => rows.map((row) => decides(engines[engine], texts[row])),
  cold(engine, times) {
    return Array.from({ length: times }, (_, i) => {
      const made = new KINDS[engine](policy, texts[0]);
      const start = beginClock();
      const facts = made.read(JSON.parse(texts[i % texts.length]));
      choosing.choose(choosing.score(facts, made.eligible(facts)), choosing.ticket(facts));
      return since(start);
    });
  },
  forget() {},
};

function stages(engine, text) {
  const times = {};
  const took = (stage, work) => {
    const start = beginClock();
    const value = work();
    times[stage] = since(start);
    return value;
  };
  const facts = took("encode", () => engine.read(JSON.parse(text)));
  const rows = took("eligible", () => engine.eligible(facts));
  const scored = took("score", () => choosing.score(facts, rows));
  const ticket = took("hash", () => choosing.ticket(facts));
  took("choose", () => choosing.choose(scored, ticket));
  return times;
}

function decides(engine, text) {
  const facts = engine.read(JSON.parse(text));
  const start = beginClock();
  choosing.choose(choosing.score(facts, engine.eligible(facts)), choosing.ticket(facts));
  return since(start);
}

// As in bench/ours.py: the lesser of wall and processor time.
function beginClock() {
  const { user, system } = process.cpuUsage();
  return [user + system, performance.now()];
}

function since(start) {
  const wall = performance.now() - start[1];
  const { user, system } = process.cpuUsage();
  return Math.round(Math.min(wall * 1e6, (user + system - start[0]) * 1000));
}

const answer = (value) => process.stdout.write(JSON.stringify(value ?? null) + "\n");
console.log = console.info = console.debug = console.error; // stdout is for answers
answer(Object.keys(KINDS));
for await (const line of createInterface({ input: process.stdin })) {
  const [command, ...given] = JSON.parse(line);
  answer(commands[command](...given));
}
