// Decides the same in Pyodide by Python and by the kernel through the bridge, under Node.
//
//   node pyodide_bridge.mjs PYODIDE STDLIB WHEEL CHECKOUT QUESTIONS
//
// QUESTIONS: { bundles: [base64], questions: [[bundle, manifest, request]] }, bytes as base64.
// Prints { python: [answer], kernel: [answer], us: { python, kernel } }: an answer is a verdict in
// base64, or the error's kind and code; us is the median of a decision, each asked twice.
import fs from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";

const [pyodide, stdlib, wheel, checkout, questions] = process.argv.slice(2).map((each) => path.resolve(each));
const script = (name) => import(pathToFileURL(name));
const SITE = "/lib/python3.14/site-packages";
const { loadPyodide } = await script(`${pyodide}/pyodide.mjs`);
const py = await loadPyodide({ indexURL: pyodide + "/", stdLibURL: stdlib, stdout: console.error });
py.unpackArchive(new Uint8Array(fs.readFileSync(wheel)), "whl", { extractDir: SITE });
for (const folder of ["edge", "edge/decision", "edge/kernel"]) py.FS.mkdirTree(`${SITE}/${folder}`);
const own = fs.readdirSync(`${checkout}/edge/decision`).filter((name) => name.endsWith(".py"));
const files = ["edge/__init__.py", "edge/kernel/__init__.py", "edge/kernel/bridge.py", ...own.map((name) => `edge/decision/${name}`)];
for (const file of files) py.FS.writeFile(`${SITE}/${file}`, fs.readFileSync(`${checkout}/${file}`));

const { loadKernel } = await script(`${checkout}/edge/browser/kernel.js`);
const { bridge } = await script(`${checkout}/edge/browser/pyodide-bridge.js`);
const kernel = await loadKernel(fs.readFileSync(`${checkout}/edge/kernel/kernel.wasm`));

const answers = py.runPython(`
import importlib
importlib.invalidate_caches()
import json
from base64 import b64decode, b64encode
from statistics import median
from time import perf_counter_ns

from edge.decision.bundle import open_bundle
from edge.decision.decide import decide
from edge.decision.errors import CoreError
from edge.kernel.bridge import Bridge


class Pure:
    def __init__(self, data):
        self.bundle = open_bundle(data)

    def decide(self, manifest, request):
        return decide(self.bundle, manifest, request)


def answers(text, bridge):
    asked = json.loads(text)
    bundles = [b64decode(each) for each in asked["bundles"]]
    questions = [(row, b64decode(m), b64decode(r)) for row, m, r in asked["questions"]]
    homes = {"python": Pure, "kernel": Bridge(bridge).open}
    found = {"us": {}}
    for name, opener in homes.items():
        opened = [opened_or_code(opener, data) for data in bundles]
        found[name] = [answer(opened[row], *rest)[0] for row, *rest in questions]
        times = [answer(opened[row], *rest)[1] for row, *rest in questions]
        found["us"][name] = median(times) / 1000
    return json.dumps(found)


def opened_or_code(opener, data):
    try:
        return opener(data)
    except CoreError as error:
        return code(error)


def answer(opened, manifest, request):
    if isinstance(opened, str):
        return opened, 0
    start = perf_counter_ns()
    try:
        verdict = opened.decide(manifest, request)
    except CoreError as error:
        return code(error), perf_counter_ns() - start
    return b64encode(verdict).decode(), perf_counter_ns() - start


def code(error):
    return f"{type(error).__name__} {error.code}"


answers
`);
const told = answers(fs.readFileSync(questions, "utf-8"), bridge(kernel));
process.stdout.write(told, () => process.exit(0));
