// What the next element of a placement shows in this view: a decision, a promise of one, or null for
// the page's default.  Elements of one placement take its slots in order; all of them count as taken
// from then on.  Once a decision fails, the rest of the view keeps its defaults.
import { isDismissed } from "./dismiss.js";

const take = (view, placement, decided) => {
  view.waiting.set(placement, decided);
  for (const { slot, offer, rung } of decided) if (offer) view.taken.push({ placement, slot, arm: `${offer}/${rung}` });
};

const next = (view, placement) => (view.failed ? null : view.waiting.get(placement).shift() ?? null);

export const decideSlot = (page, placement) => {
  const { view } = page;
  if (view.failed || !page.decide || !placement || page.consent === "none" || isDismissed(page, placement)) return null;
  const fail = () => { view.failed = true; return null; };
  try {
    if (!view.waiting.has(placement)) {
      const asked = page.decide(placement);
      if (Array.isArray(asked)) take(view, placement, asked);
      else view.waiting.set(placement, asked.then((decided) => take(view, placement, decided)));
    }
    const waiting = view.waiting.get(placement);
    return Array.isArray(waiting) ? next(view, placement) : waiting.then(() => next(view, placement)).catch(fail);
  } catch { return fail(); }
};
