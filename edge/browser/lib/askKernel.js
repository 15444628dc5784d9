// Decides placements of this page view with the kernel, at once: what it gives is a function from a
// placement's name to its decisions (index.d.ts: Decided), one per slot.
//
// A placement is decided when it is met, with what was taken before on this page, so that a
// placement that the page does not have never counts as taken.
import { Texts } from "../creatives.js";
import { readVerdict } from "../kernel.js";
import { receiptOf } from "./countExposure.js";
import { mayKeep } from "./keep.js";
import { requestFor } from "./requestFor.js";

const HELD_OUT = 1 | 2; // from everything, or from this placement

export const askKernel = (page, policy) => {
  const texts = new Texts(policy), { manifest } = page.settings;
  return (placement, request = requestFor(page, placement)) => {
    const { data, unknown_placements: [unknown] } = policy.encode(request);
    if (unknown !== undefined) return [];
    const verdict = policy.decide(manifest, data);
    const decided = readVerdict(verdict).map((row) => {
      const shown = texts.show(manifest, data, row);
      const counts = mayKeep(page) ? receiptOf(policy, row, shown.decision, request.now_s) : null;
      return { ...shown, token: null, track: row.flags & HELD_OUT ? "ghost" : "shown", receipt: "", counts };
    });
    page.recorded?.(decided[0], texts.digest, manifest, data, verdict);
    return decided;
  };
};
