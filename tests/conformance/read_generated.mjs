// Walks generated.bin.gz as README.md draws it: `node read_generated.mjs generated.bin.gz`.
//
// An implementation under test replaces `answer`; here it only digests what it is given,
// and the digest says that every block was found where it is.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

const data = gunzipSync(readFileSync(process.argv[2]));
let at = 0;

const u16 = () => data.readUInt16LE((at += 2) - 2);
const u32 = () => data.readUInt32LE((at += 4) - 4);
const block = () => {
  const size = u32();
  return data.subarray(at, (at += size));
};

if (data.toString("latin1", 0, 4) !== "PRGC" || data.readUInt32LE(4) !== 0) {
  throw new Error("these are no generated cases of version 0");
}
at = 8;
const counts = { bundles: u32(), manifests: u32(), cases: u32() };
const bundles = Array.from({ length: counts.bundles }, block);
const manifests = Array.from({ length: counts.manifests }, block);
const together = createHash("sha256");

const answer = (bundle, manifest, request, verdict) => {
  for (const each of [bundle, manifest, request, verdict]) together.update(each);
};

for (let i = 0; i < counts.cases; i++) {
  const [bundle, manifest] = [bundles[u16()], manifests[u16()]];
  answer(bundle, manifest, block(), block());
}
if (at !== data.length) throw new Error(`${data.length - at} bytes follow the last case`);
console.log(JSON.stringify({ ...counts, sha256: together.digest("hex") }));
