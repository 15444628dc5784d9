// What a decision leaves behind, enough to replay it: drawn at the top of edge/decision/beacon.py.
const HEADER = 88;

export const packRecord = (bundleDigest, manifest, request, verdict) => {
  const parts = [manifest, request, verdict];
  const size = parts.reduce((sum, part) => sum + part.length, HEADER);
  const record = new Uint8Array(size), view = new DataView(record.buffer);
  record.set([0x50, 0x52, 0x52, 0x43]); // "PRRC"
  record.set(bundleDigest, 8);
  record.set(manifest.subarray(8, 40), 40); // the digest of the signed manifest
  parts.forEach((part, index) => view.setUint32(72 + 4 * index, part.length, true));
  parts.reduce((at, part) => (record.set(part, at), at + part.length), HEADER);
  return record;
};
