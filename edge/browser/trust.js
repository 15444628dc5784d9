// Which policy to believe: edge/decision/trust.py in JavaScript, with its order of checks and its
// codes.  That file has the rules and the reasons.
//
//   const trust = new Trust({ verify, sha256 }, "my-shop");
//   let root = await trust.pinRoot(pinned);
//   root = await trust.acceptRoot(root, fetched);               // until there is no next one
//   const manifest = await trust.acceptManifest(root, floor, fetched, nowS, channel, "edge");
//   const bundle = await trust.acceptBundle(manifest, release, fetched, open);
//
// verify(key, message, signature) and sha256(bytes) may be asynchronous; `webCrypto` has both.
// What is refused throws a TrustError.  Nothing here fetches, stores, or reads a clock.
import { TrustError, keysOf, readCompact, readGeneral, readManifest, readRoot } from "./claims.js";

export { SIZE_LIMIT_BYTES, TrustError } from "./claims.js";

const MANIFEST_TYPE = "proffer-manifest+jws", ROOT_TYPE = "proffer-root+jws";
const SKEW_S = 60; // how far the clocks of publisher and edge may be apart
const PROJECTIONS = ["edge", "browser"];
const HEAD = 1, HEAD_PROJECTION = 0, HEAD_TENANT = 1;

export const webCrypto = {
  async verify(key, message, signature) {
    try {
      const imported = await crypto.subtle.importKey("raw", key, "Ed25519", false, ["verify"]);
      return await crypto.subtle.verify("Ed25519", imported, signature, message) === true;
    } catch { return false; } // 32 bytes that are no point of the curve
  },
  async sha256(bytes) { return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)); },
};

export const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

const refuse = (code, detail) => { throw new TrustError(code, detail); };

export class Trust {
  constructor({ verify, sha256 } = webCrypto, tenant) {
    this.verify = verify;
    this.sha256 = sha256;
    this.tenant = tenant;
  }

  // --- roots ----------------------------------------------------------------

  // The first root, from the edge's own configuration.
  async pinRoot(raw) {
    const signed = readGeneral(raw, ROOT_TYPE), root = readRoot(signed.payload);
    this.checkTenant(root.tenant);
    await this.checkThreshold(root, signed);
    return root;
  }

  // What a pinned root says of itself, unchecked: enough to ask for the file that may come next.
  claimedVersion(raw) { return readRoot(readGeneral(raw, ROOT_TYPE).payload).version; }

  // The root after `current`.  Its expiry counts when it is used.
  async acceptRoot(current, raw) {
    const signed = readGeneral(raw, ROOT_TYPE);
    await this.checkThreshold(current, signed);
    const root = readRoot(signed.payload);
    this.checkTenant(root.tenant);
    if (root.version !== current.version + 1)
      refuse("ROLLBACK", `root ${root.version} does not follow root ${current.version}`);
    if (root.epoch < current.epoch) refuse("ROLLBACK", `root epoch ${root.epoch} after ${current.epoch}`);
    await this.checkThreshold(root, signed);
    return root;
  }

  async checkThreshold(root, signed) {
    const keys = keysOf(root, "root"), valid = new Set();
    for (const signature of signed.signatures) {
      const key = keys.get(signature.kid);
      if (key && await this.isValid(key, signature)) valid.add(signature.kid);
    }
    if (valid.size < root.threshold)
      refuse("THRESHOLD", `${valid.size} of ${root.threshold} signatures that root ${root.version} asks`);
  }

  async isValid(key, { message, signature }) {
    return signature.length === 64 && await this.verify(key.public, message, signature);
  }

  // --- manifests --------------------------------------------------------------

  // The manifest in `raw`, if all checks hold, in this order.  `floor` is null where nothing
  // survived: then the manifest's lifetime is all that bounds a rollback.
  async acceptManifest(root, floor, raw, nowS, channel, projection) {
    const manifest = await this.readSigned(root, raw);
    this.checkTenant(manifest.tenant);
    checkChannel(manifest, channel, projection);
    checkTimes(manifest, root, nowS);
    if (manifest.epoch !== root.epoch)
      refuse("ROLLBACK", `of epoch ${manifest.epoch}; the root's is ${root.epoch}`);
    checkFloor(manifest, floor);
    return manifest;
  }

  // The floor that a saved manifest proves, expired or not: storage may be hostile.
  async recallFloor(root, raw, channel, projection) {
    const manifest = await this.readSigned(root, raw);
    this.checkTenant(manifest.tenant);
    checkChannel(manifest, channel, projection);
    return floorOf(manifest);
  }

  async readSigned(root, raw) {
    const signed = readCompact(raw, MANIFEST_TYPE), [signature] = signed.signatures;
    const key = keysOf(root, "online").get(signature.kid);
    if (!key) refuse("UNKNOWN_KEY", `${JSON.stringify(signature.kid)} is no online key of root ${root.version}`);
    if (!await this.isValid(key, signature))
      refuse("SIGNATURE", `not signed by key ${JSON.stringify(signature.kid)}, or changed since`);
    const manifest = readManifest(signed.payload);
    manifest.digest = await this.sha256(raw);
    return manifest;
  }

  checkTenant(found) {
    if (found !== this.tenant) refuse("TENANT", `is for '${found}', this edge serves '${this.tenant}'`);
  }

  // --- bundles ------------------------------------------------------------------

  // The bundle of a release, whole and of this manifest's kind: what `open` (bytes -> Policy of
  // kernel.js) gives.
  async acceptBundle(manifest, release, raw, open) {
    if (raw.length !== release.size_bytes)
      refuse("DIGEST", `${raw.length} bytes, the manifest says ${release.size_bytes}`);
    if (toHex(await this.sha256(raw)) !== release.bundle)
      refuse("DIGEST", `these bytes are not bundle ${release.bundle}`);
    let policy;
    try { policy = open(raw); } catch (error) {
      if (error.name !== "BundleError") throw error;
      refuse("BUNDLE", error.message);
    }
    checkKind(policy.names, manifest);
    return policy;
  }
}

export const floorOf = ({ epoch, sequence, digest }) => ({ epoch, sequence, digest });

const checkChannel = (manifest, channel, projection) => {
  const found = `${manifest.channel}/${manifest.projection}`, expected = `${channel}/${projection}`;
  if (found !== expected) refuse("CHANNEL", `is for '${found}', this edge follows '${expected}'`);
};

const checkTimes = (manifest, root, nowS) => {
  if (manifest.issued_s > nowS + SKEW_S)
    refuse("NOT_YET_VALID", `issued ${manifest.issued_s - nowS} s in the future`);
  if (nowS >= manifest.expires_s + SKEW_S) refuse("EXPIRED", `expired ${nowS - manifest.expires_s} s ago`);
  if (nowS >= root.expires_s + SKEW_S)
    refuse("EXPIRED", `root ${root.version} expired ${nowS - root.expires_s} s ago`);
};

// Ask again where a floor may have risen.
export const checkFloor = (manifest, floor) => {
  if (!floor) return;
  const ahead = manifest.epoch - floor.epoch || manifest.sequence - floor.sequence;
  if (ahead < 0)
    refuse("ROLLBACK", `(epoch, sequence) (${manifest.epoch}, ${manifest.sequence}) is below ` +
      `(${floor.epoch}, ${floor.sequence}), seen before`);
  if (!ahead && toHex(manifest.digest) !== toHex(floor.digest))
    refuse("FORK", `(epoch, sequence) (${manifest.epoch}, ${manifest.sequence}) was signed twice: raise an alarm`);
};

const checkKind = (names, manifest) => {
  const projection = PROJECTIONS[names.at(HEAD, HEAD_PROJECTION)];
  const tenant = decodeURIComponent(escape(names.text(HEAD, HEAD_TENANT)));
  if (tenant !== manifest.tenant || projection !== manifest.projection)
    refuse("BUNDLE", `is for ('${tenant}', '${projection}'), the manifest for ` +
      `('${manifest.tenant}', '${manifest.projection}')`);
};
