// The policy this edge runs: fetched, believed or refused, swapped in whole, saved.  edge/policy.py.
//
//   open      saved roots -> saved manifest (the floor) -> its bundles; then refresh
//   refresh   next roots, one by one -> manifest -> bundles that are new -> swap -> save
//
// A refusal changes nothing: the last good policy runs on until it expires.
import { SIZE_LIMIT_BYTES, Trust, TrustError, checkFloor, floorOf, webCrypto } from "../browser/trust.js";
import { Bundle } from "./bundle.js";
import { toHex } from "./hashing.js";
import { manifestBlock } from "./manifest.js";
import { HostError, NotFound } from "./sources.js";

const PROJECTION = "edge";
const ROOTS_LIMIT = 64; // an endless chain must not keep the edge busy

const rootPath = (version) => `keys/root.${version}.jws`;

// A policy to run, complete.
class Running {
  constructor(manifest, bundles, hasher) {
    this.manifest = manifest;
    this.bundles = bundles;
    this.hasher = hasher;
    this.block = manifestBlock(manifest, hasher);
    this.only = manifest.releases.length === 1 ? bundles.get(manifest.releases[0].bundle) : null;
  }

  // Releases own consecutive intervals of tickets, in the manifest's order.
  bundleFor(unit) {
    if (this.only) return this.only;
    let ticket = this.hasher.ticket("canary", this.manifest.ramp, unit);
    for (const { bundle, share } of this.manifest.releases) {
      if (ticket < share) return this.bundles.get(bundle);
      ticket -= share;
    }
    throw new Error("shares sum to T and the ticket is below T");
  }
}

export class Policies {
  // `fetchFile(path, maxBytes)`, `keeper`: sources.js, keeping.js.
  constructor({ settings, hasher, kernel, fetchFile, keeper, nowS }) {
    this.current = null;
    this.story = {
      checked_s: 0, swaps: 0, refusals: 0, failures: 0, refused: null, unreachable: "", storage: "",
    };
    this.settings = settings;
    this.hasher = hasher;
    this.fetchFile = fetchFile;
    this.keeper = keeper;
    this.nowS = nowS;
    this.openBundle = (raw) => new Bundle(kernel.open(raw)); // whose `names` the check reads too
    this.trust = new Trust(webCrypto, settings.tenant);
    this.manifestPath = `channels/${settings.channel}/${PROJECTION}.jws`;
    this.root = null;
    this.floor = null;
    this.saved = "";
  }

  // Throws a TrustError if the pinned root is none of this shop's.
  async open() {
    const early = new Map(); // what comes while the pinned root is checked
    this.askEarly(early, rootPath(this.trust.claimedVersion(this.settings.pinnedRoot) + 1));
    this.askEarly(early, this.manifestPath);
    await this.pin();
    await this.guarded(() => this.recall());
    await this.refresh(early);
  }

  // Never throws: what is refused or out of reach is told by `story`.
  async refresh(early = new Map()) {
    if (!await this.guarded(() => this.fetchNews(early))) return;
    this.story.checked_s = this.nowS();
    this.story.unreachable = "";
  }

  async guarded(step) {
    try {
      await step();
      return true;
    } catch (error) {
      if (error instanceof TrustError) this.refuse(error);
      else this.fail(error);
      return false;
    }
  }

  fail(error) {
    this.story.failures++;
    if (!(error instanceof HostError)) console.error("refreshing the policy failed", error);
    else if (!this.story.unreachable) console.warn(`the policy cannot be refreshed: ${error.message}`);
    if (error instanceof HostError) this.story.unreachable = error.message || "HostError";
  }

  refuse({ code, detail }) {
    const before = this.story.refused;
    this.story.refusals++;
    this.story.refused = { code, detail, at_s: this.nowS() };
    if (before?.code !== code) console.error(`a policy was refused: ${code}: ${detail}`);
  }

  // --- roots ------------------------------------------------------------------

  async pin() { return this.root = await this.trust.pinRoot(this.settings.pinnedRoot); }

  async recallRoots(root) {
    for (let raw; (raw = await this.load(rootPath(root.version + 1)));)
      root = await this.trust.acceptRoot(root, raw);
    return root;
  }

  async fetchRoots(root, early) {
    for (let i = 0; i < ROOTS_LIMIT; i++) {
      const path = rootPath(root.version + 1);
      let raw;
      try {
        raw = await this.fetchSigned(early, path);
      } catch (error) {
        if (error instanceof NotFound) break;
        throw error;
      }
      this.root = root = await this.trust.acceptRoot(root, raw);
      await this.save(path, raw);
    }
    return root;
  }

  // --- manifests and bundles ----------------------------------------------------

  async recall() {
    this.root = await this.recallRoots(this.root ?? await this.pin());
    const raw = await this.load(this.manifestPath);
    if (!raw) return;
    this.floor = await this.trust.recallFloor(this.root, raw, this.settings.channel, PROJECTION);
    await this.swap(this.root, raw);
  }

  async fetchNews(early) {
    const before = this.root ?? await this.pin();
    if (!early.has(this.manifestPath)) this.askEarly(early, this.manifestPath);
    const root = await this.fetchRoots(before, early);
    const raw = await this.fetchSigned(early, this.manifestPath), digest = toHex(this.hasher.sha256(raw));
    const running = this.current && toHex(this.current.manifest.digest);
    if (running !== digest || root !== before) await this.swap(root, raw);
    if (this.saved !== digest && await this.save(this.manifestPath, raw)) this.saved = digest;
    this.story.refused = null;
  }

  // Asks for a signed file that this look will want soon, and is quicker by that.  What it says is
  // read in its turn, and whoever wants it is told what went wrong.  `early`: path -> promise.
  askEarly(early, path) {
    const asking = this.fetchFile(path, SIZE_LIMIT_BYTES);
    asking.catch(() => {});
    early.set(path, asking);
  }

  fetchSigned(early, path) {
    const asking = early.get(path);
    early.delete(path);
    return asking ?? this.fetchFile(path, SIZE_LIMIT_BYTES);
  }

  async swap(root, raw) {
    const manifest = await this.trust.acceptManifest(
      root, this.floor, raw, this.nowS(), this.settings.channel, PROJECTION);
    const bundles = new Map();
    for (const release of manifest.releases) bundles.set(release.bundle, await this.bundle(manifest, release));
    checkFloor(manifest, this.floor); // refreshes may overtake each other: it may have risen meanwhile
    this.current = new Running(manifest, bundles, this.hasher);
    this.floor = floorOf(manifest);
    this.story.swaps++;
    console.info(`policy ${manifest.epoch}/${manifest.sequence} is running`);
  }

  async bundle(manifest, release) {
    const held = this.current?.bundles.get(release.bundle);
    if (held) return held;
    const path = `bundles/${release.bundle}`, saved = await this.load(path);
    if (saved) {
      try {
        return await this.accept(manifest, release, saved);
      } catch (error) { // what was kept may be damaged: then fetch it
        if (!(error instanceof TrustError)) throw error;
      }
    }
    const raw = await this.fetchFile(path, release.size_bytes), bundle = await this.accept(manifest, release, raw);
    await this.save(path, raw);
    return bundle;
  }

  accept(manifest, release, raw) {
    return this.trust.acceptBundle(manifest, release, raw, this.openBundle);
  }

  // --- what survives: welcome, and never needed -----------------------------------

  async load(path) {
    try {
      return await this.keeper.load(path);
    } catch (error) {
      this.cannotKeep(error);
      return null;
    }
  }

  async save(path, raw) {
    try {
      await this.keeper.save(path, raw);
    } catch (error) {
      this.cannotKeep(error);
      return false;
    }
    this.story.storage = "";
    return true;
  }

  cannotKeep(error) {
    if (!this.story.storage) console.error(`a restart will forget the policy: ${error.message}`);
    this.story.storage = error.message;
  }
}
