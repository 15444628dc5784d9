// The numbers of a manifest that a decision reads: edge/decision/manifest.py draws the block.

const HEADER = 64;
const byNumber = (a, b) => a - b;

export const manifestBlock = (manifest, hasher) => {
  const keys = (kind, names) =>
    [...new Set(names.map((name) => hasher.keyOf(`${kind}/${name}`)))].sort(byNumber);
  const { paused } = manifest;
  const lists = [keys("offer", paused.offers), keys("arm", paused.rungs), keys("placement", paused.placements)];
  const multipliers = [...manifest.multipliers].map(([name, q16]) => [hasher.keyOf(`budget/${name}`), q16])
    .sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  return pack(manifest, lists, [...new Map(multipliers)]);
};

const pack = (manifest, lists, multipliers) => {
  const words = [...lists.flat(), ...multipliers.flat()];
  const bytes = new Uint8Array(HEADER + 4 * words.length), view = new DataView(bytes.buffer);
  bytes.set([0x50, 0x52, 0x4d, 0x42, 0, +manifest.paused.all]); // "PRMB"
  bytes.set(manifest.digest, 8);
  view.setBigInt64(40, BigInt(manifest.issued_s), true);
  view.setBigInt64(48, BigInt(manifest.expires_s), true);
  [...lists, multipliers].forEach((list, i) => view.setUint16(56 + 2 * i, list.length, true));
  words.forEach((word, i) => view.setUint32(HEADER + 4 * i, word, true));
  return bytes;
};
