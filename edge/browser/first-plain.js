// first.js for pages whose security policy forbids wasm: the same module as plain JavaScript.
import * as plain from "./kernel-plain.min.js";
import { decideFirst } from "./lib/decideFirst.js";

decideFirst(() => plain);
