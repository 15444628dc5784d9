// The kernel's loader under Node: `node runner.mjs BROWSER LOADER WASM QUESTIONS [plain]`.
//
// BROWSER is the folder of the loader; QUESTIONS a file as answering.mjs reads it.  "plain": wasm
// is refused as a page's policy refuses it.  Prints the answers.
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { answerAll } from "./answering.mjs";

const [folder, name, wasm, file, plain] = process.argv.slice(2);
const script = (name) => import(pathToFileURL(`${folder}/${name}`));
if (plain) {
  await new Response().text(); // Node's own wasm comes before
  WebAssembly.compile = async () => { throw new WebAssembly.CompileError("forbidden"); };
}
const loader = await script(name), creatives = await script(name.replace("kernel", "creatives"));
process.stdout.write(await answerAll({ loader, creatives, source: await readFile(wasm) }, await readFile(file, "utf-8")));
