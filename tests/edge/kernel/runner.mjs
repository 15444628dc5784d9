// Asks the kernel's loader what stands in a file: `node runner.mjs LOADER WASM QUESTIONS`.
//
// QUESTIONS is JSON: { bundles: [base64], questions: [[bundle, manifest, kind, content]] },
// bytes as base64; kind is "text" (JSON bytes), "object" (JSON, parsed before) or "encoded".
// Prints one JSON list of answers.
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";

const [loader, wasm, file] = process.argv.slice(2);
const { loadKernel, readVerdict } = await import(pathToFileURL(loader));
const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));
const base64 = (data) => Buffer.from(data).toString("base64");
const kernel = await loadKernel(await readFile(wasm));
const { bundles, questions } = JSON.parse(await readFile(file, "utf-8"));

const opened = bundles.map((bundle) => {
  try { return kernel.open(bytes(bundle)); } catch (error) { return error; }
});

const answer = ([row, manifest, kind, content]) => {
  const policy = opened[row];
  if (policy instanceof Error) return { error: policy.name + " " + policy.code };
  try {
    const given = kind === "object" ? JSON.parse(Buffer.from(content, "base64")) : bytes(content);
    const encoded = kind === "encoded" ? { data: given } : policy.encode(given);
    const verdict = policy.decide(bytes(manifest), encoded.data);
    if (kind !== "encoded" && base64(policy.decideRequest(bytes(manifest), given)) !== base64(verdict))
      return { error: "decideRequest decides otherwise" };
    return { ...encoded, data: base64(encoded.data), verdict: base64(verdict), rows: readVerdict(verdict) };
  } catch (error) {
    return { error: error.code ? error.name + " " + error.code : error.stack };
  }
};

process.stdout.write(JSON.stringify(questions.map(answer)));
