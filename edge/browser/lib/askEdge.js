// Decides placements at the edge: for slots that come into the page after it was loaded, where the
// page has no kernel.  Slots that come together are asked together.
import { localeOf } from "./localeOf.js";

// What the edge decides at one of its addresses; raises what fetch raises, and when `signal` says so.
export const postEdge = async (page, address, fields, signal) => {
  const { settings, consent } = page;
  const body = JSON.stringify({
    attributes: settings.attributes, ...consent && { consent },
    locale: localeOf(page), ...settings.session && { session: settings.session },
    ...settings.customer && { customer: settings.customer }, ...fields,
  });
  const answer = await fetch(address, {
    method: "POST", body, headers: { "Content-Type": "application/json" }, signal,
  });
  if (!answer.ok) throw new Error(`the edge answered ${answer.status}`);
  return (await answer.json()).decisions;
};

export const askEdge = (page) => {
  let waiting = null;
  const ask = async () => {
    await null; // what is put into the page in one go
    const { names, view } = waiting;
    waiting = null;
    const decided = await postEdge(page, page.settings.edge, { placements: names, taken: view.taken },
      AbortSignal.timeout(page.settings.wait_ms));
    return new Map(names.map((name) => [name, decided.filter((each) => each.placement === name)]));
  };
  return (placement) => {
    if (!waiting || waiting.view !== page.view) {
      waiting = { names: [], view: page.view };
      waiting.answer = ask();
    }
    waiting.names.push(placement);
    return waiting.answer.then((found) => found.get(placement) ?? []);
  };
};
