// The kernel script, /proffer-first.js on a page: a classic script with the wasm kernel in it, so
// that it can decide at once, in the parser's order.  head.js says how long a page waits for it.
import wasm from "../kernel/kernel.wasm";
import { bytesOf } from "./lib/bytesOf.js";
import { decideFirst } from "./lib/decideFirst.js";

decideFirst(() => new WebAssembly.Module(bytesOf(wasm))); // the build gives base64
