// node in_node.mjs <kernel.wasm> <asked.json>: the last line of stdout has the outcomes.
import fs from "node:fs";

console.log = console.info = console.error; // stdout is for the outcomes
const { tellAll } = await import("./telling.mjs");
const [kernel, asked] = process.argv.slice(2);
const module = await WebAssembly.compile(fs.readFileSync(kernel));
const told = await tellAll(JSON.parse(fs.readFileSync(asked, "utf8")), module);
process.stdout.write(JSON.stringify(told) + "\n", () => process.exit(0));
