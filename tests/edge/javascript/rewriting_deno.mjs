// The edge's own lexer under Deno: a batch of documents on stdin, the answer on stdout.
import { scanned } from "../../../edge/javascript/scanning.js";
import { rewriteAll } from "./rewriting.mjs";

console.log(await rewriteAll(scanned, await new Response(Deno.stdin.readable).text()));
