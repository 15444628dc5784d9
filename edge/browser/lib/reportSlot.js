// Tells what a visitor did with a slot that was decided: an exposure once half of it was visible for
// a second (or the slot's data-exposure-ms), a click when a link in it is followed, in this tab or in
// another.  A slot without a decision is not told.
import { countExposure } from "./countExposure.js";

const EVENT = "shop.proffer.";

// A right click opens a menu; only the primary and the middle button follow a link.
const follows = (event) => (event.type === "click" || event.button === 1) && event.target.closest?.("a");

export const reportSlot = (page, visible, events) => {
  const told = new WeakSet(), watched = new Map();

  const tell = (slot, kind) => {
    const { decision, slot: index, track, receipt } = slot.decided;
    events.tell(EVENT + kind, {
      decision, placement: slot.getAttribute("placement"), slot: index,
      time_s: Math.floor(Date.now() / 1000), track, receipt,
    });
  };

  const seen = (slot) => {
    told.add(slot.decided);
    tell(slot, "exposure");
    if (slot.decided.counts) countExposure(page, slot.decided.counts);
  };

  const clicked = (event) => {
    try { if (follows(event)) tell(event.currentTarget, "click"); } catch { /* ours alone */ }
  };

  page.watch = (slot) => {
    const { decided, dataset } = slot;
    if (!decided?.decision) return;
    for (const kind of ["click", "auxclick"]) slot.addEventListener(kind, clicked);
    if (told.has(decided)) return;
    const wait_ms = parseFloat(dataset.exposureMs);
    const box = slot.offer ?? slot.firstElementChild ?? slot;
    watched.set(slot, box);
    visible.watch(box, wait_ms >= 0 ? wait_ms : page.settings.exposure_ms, () => seen(slot));
  };

  page.unwatch = (slot) => {
    visible.forget(watched.get(slot));
    watched.delete(slot);
  };
};
