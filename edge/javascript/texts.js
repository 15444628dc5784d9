// Texts of creatives.js, for an edge that shows the same few of them all day: what was read once is
// remembered, and nothing is hashed but what must be.
import { Texts } from "../browser/creatives.js";
import { toHex } from "./hashing.js";

const CREATIVES_LIMIT = 10_000;

export class KeptTexts extends Texts {
  constructor(policy) {
    super(policy);
    this.names = new Map();
    this.creatives = new Map();
  }

  name(column, row) {
    const key = column * 2 ** 32 + row, found = this.names.get(key);
    if (found !== undefined) return found;
    const text = super.name(column, row);
    this.names.set(key, text);
    return text;
  }

  // The creative is shared: nobody changes it.
  sized(arm, placement, locale) {
    const key = `${arm} ${locale} ${placement}`, found = this.creatives.get(key);
    if (found) return found;
    if (this.creatives.size >= CREATIVES_LIMIT) this.creatives.clear(); // locales are anybody's
    const creative = Object.freeze(super.sized(arm, placement, locale));
    this.creatives.set(key, creative);
    return creative;
  }

  // As the request has it, mostly in ASCII.
  localeOf(data) {
    const view = new DataView(data.buffer, data.byteOffset, data.length), u16 = (at) => view.getUint16(at, true);
    const from = data.length - view.getUint32(36, true) + u16(16) + u16(18) + u16(20);
    let text = "";
    for (let at = from, end = from + u16(22); at < end; at++) {
      if (data[at] > 127) return super.localeOf(data);
      text += String.fromCharCode(data[at]);
    }
    return text;
  }

  // Of the request that the kernel's memory holds, where `data` is; nothing is copied but the rest.
  decisionId(manifest, data, row) {
    const { policy } = this, { bytes, request } = policy, from = request - 64, end = request + data.length;
    bytes.set(this.digest, from);
    bytes.set(manifest.subarray(8, 40), from + 32);
    bytes[end] = row.placement;
    bytes[end + 1] = row.placement >> 8;
    bytes[end + 2] = row.slot;
    bytes[end + 3] = 0;
    policy.kernel.proffer_sha256(from, 68 + data.length, policy.rest);
    return toHex(bytes.subarray(policy.rest, policy.rest + 16));
  }
}
