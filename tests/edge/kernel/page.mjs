// The kernel's loader in a page: test_in_chromium.py calls what it puts on the window.
import * as loader from "/edge/browser/kernel.js";
import * as creatives from "/edge/browser/creatives.js";
import { answerAll } from "/tests/edge/kernel/answering.mjs";

window.answerAll = async () => {
  const questions = await (await fetch("/questions")).text();
  return answerAll({ loader, creatives, source: "/edge/kernel/kernel.wasm" }, questions);
};
window.isPlain = async () => {
  const { module } = await loader.loadKernel("/edge/kernel/kernel.wasm");
  return !(module instanceof WebAssembly.Module);
};
