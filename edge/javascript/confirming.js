// `POST /_proffer/confirm`: an offer that a page has decided, decided again where it counts.
// edge/confirming.py has the rules and the reasons.
import { readVerdict } from "../browser/kernel.js";
import { jsonAnswer, own, policyName, speechOf, withQuestion } from "./answering.js";
import * as c from "./columns.js";
import { armOf, verdictOf, withoutOffer } from "./deciding.js";
import { isPart } from "./hashing.js";
import { RequestError } from "./json.js";
import { EMPTY } from "./state.js";

const CONFIRM_FIELDS = ["arm", "attributes", "consent", "customer", "decision", "locale", "placement",
  "session", "slot", "taken"];
const FRESH = 1, KEPT = 2, SLOT_MAX = 0xffff;

// Throws a Problem 400, 408, 413 or 415.
export const answerConfirm = (request, context, policy) => withQuestion(request, context, (said, guest) => {
  const speech = speechOf(said, CONFIRM_FIELDS, guest, context), { visit } = speech, claim = claimOf(said);
  const question = {
    placements: [claim.placement], taken: speech.taken, byClient: speech.byClient,
    byShop: speech.shop.attributes,
  };
  const { decided, ignored } = confirm(context.desk, policy, visit, question, claim);
  return jsonAnswer({ decisions: [decided], ignored, policy: policyName(policy, visit) }, visit.cookies);
});

// The slot with its token, or with reason NOT_CONFIRMED.
export const confirm = (desk, policy, visit, question, claim) => {
  const anew = desk.weigh(policy, visit, question);
  const again = decidedAgain(desk, policy, visit, question, claim, anew);
  const found = again?.decisions.find((slot) => slot.slot === claim.slot && armOf(slot) === claim.arm);
  if (!found) return { decided: { ...withoutOffer(claim.placement, "NOT_CONFIRMED"), slot: claim.slot }, ignored: anew.ignored };
  desk.keep(again);
  return { decided: found, ignored: again.ignored };
};

// With the arm as the slot's choice; null if `anew` could not have drawn it.
const decidedAgain = (desk, policy, visit, question, claim, anew) => {
  const row = anew.record && readVerdict(verdictOf(anew.record)).find(({ slot }) => slot === claim.slot);
  if (!row) return null;
  const bundle = policy.bundleFor(visit.unit);
  if (!mayBeDrawn(row.shown, bundle.names.arms.get(claim.arm) ?? 0)) return null;
  if (row.shown.draw === KEPT) return anew;
  return desk.weigh(policy, { ...visit, state: keeping(visit.state ?? EMPTY, row, bundle, claim) }, question);
};

const mayBeDrawn = ({ arm, draw, listed }, wanted) => {
  if (!wanted || ![FRESH, KEPT].includes(draw)) return false;
  return draw === KEPT ? arm === wanted : listed.some(([one, share]) => one === wanted && share > 0);
};

const keeping = (state, { placement, slot, redraw, epoch }, bundle, claim) => {
  const placement_key = bundle.at(c.PLACEMENT_KEY, placement);
  const arm_key = bundle.at(c.RUNG_KEY, bundle.names.arms.get(claim.arm) - 1);
  const others = state.kept.filter((kept) => kept.placement_key === placement_key && kept.slot !== slot);
  const choice = { placement_key, slot, redraw, epoch, arm_key, drawn_by: claim.decision };
  return { ...state, kept: [...others, choice] };
};

const refuse = (detail) => { throw new RequestError("FIELD", detail); };

const claimOf = (said) => {
  const placement = own(said, "placement"), slot = Object.hasOwn(said, "slot") ? said.slot : 0;
  const arm = own(said, "arm"), decision = own(said, "decision");
  if (typeof placement !== "string" || !isPart(placement))
    refuse("placement must be a name in plain, well-formed text");
  if (!Number.isInteger(slot) || slot < 0 || slot > SLOT_MAX)
    refuse(`slot must be a whole number from 0 to ${SLOT_MAX}`);
  if (typeof arm !== "string") refuse('arm must be a text, "offer/rung"');
  if (typeof decision !== "string" || !/^(?!0{32})[0-9a-f]{32}$/.test(decision) || decision.length !== 32)
    refuse("decision must be 32 hexadecimal digits, not all of them 0");
  return { placement, slot, arm, decision };
};
