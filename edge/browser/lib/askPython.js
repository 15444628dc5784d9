// Decides placements of later views in Python: `python` is what startPython gave.
import { mayKeep } from "./keep.js";
import { requestFor } from "./requestFor.js";

export const askPython = (page, python) => async (placement) => {
  const decided = await python.decide(requestFor(page, placement));
  return mayKeep(page) ? decided : decided.map((one) => ({ ...one, counts: null }));
};
