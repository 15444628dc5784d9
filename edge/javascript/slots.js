// The slots of one page view, decided one after the other as they come by.  edge/slots.py.
import { armOf, withoutOffer } from "./deciding.js";
import { RequestError } from "./json.js";
import { fillSlot } from "./rendering.js";

const PAGE_CHANNEL = "page", SLOTS_LIMIT = 64;

export class PageSlots {
  constructor({ desk, policy, visit, attributes, script }) {
    Object.assign(this, { desk, policy, visit, attributes, script });
    this.waiting = new Map();
    this.taken = [];
    this.failed = false;
  }

  // What becomes of the slot with this placement: a filling (rendering.js), or null for nothing.
  fill(placement) {
    if (this.failed || !placement) return null;
    if (!this.waiting.has(placement)) this.waiting.set(placement, this.decide(placement));
    const slots = this.waiting.get(placement);
    if (!slots.length) return null;
    if (slots[0].reason === "FAILED") this.failed = true;
    return this.failed ? null : this.filling(slots.shift());
  }

  // The page script follows the first slot that there is something to report about.
  filling(decided) {
    const script = decided.decision ? this.script : "";
    if (script) this.script = "";
    return fillSlot(decided, this.visit.locale, script);
  }

  decide(placement) {
    if (!this.isForPages(placement)) return [withoutOffer(placement, "UNKNOWN_PLACEMENT")];
    const question = { placements: [placement], taken: [...this.taken], byShop: this.attributes };
    try {
      const { decisions } = this.desk.decide(this.policy, this.visit, question);
      for (const slot of decisions)
        if (slot.offer) this.taken.push({ placement: slot.placement, slot: slot.slot, arm: armOf(slot) });
      return [...decisions];
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      console.warn(`a page's slot was not decided: ${error.message}`);
      return [withoutOffer(placement, "FAILED")];
    }
  }

  isForPages(placement) {
    const bundle = this.policy.bundleFor(this.visit.unit), row = bundle.placementRow(placement);
    return row !== undefined && bundle.channelOf(row) === PAGE_CHANNEL && this.waiting.size < SLOTS_LIMIT;
  }
}
