// Decisions as feature flags: edge/flags.py.  A placement is a flag of kind object, and with `.arm` one
// of kind string; a flag without `value` means the application's own default.

const ARM = ".arm";
const REASONS = {
  BEST: "TARGETING_MATCH", EXPLORED: "SPLIT", KEPT: "SPLIT", NONE_WON: "DEFAULT", NO_CANDIDATE: "DEFAULT",
  HOLDOUT: "SPLIT", GLOBAL_HOLDOUT: "SPLIT", NO_CONSENT: "DISABLED", NO_CUSTOMER: "DEFAULT", STALE: "STALE",
  PAUSED: "DISABLED", UNKNOWN_PLACEMENT: "ERROR", NO_POLICY: "ERROR", BAD_REQUEST: "ERROR", FAILED: "ERROR",
  NOT_CONFIRMED: "DEFAULT",
};

// [placement, isText]: what a flag's key means.  `isPlacement(name)` says which names are taken.
export const placementOf = (key, isPlacement) =>
  key.endsWith(ARM) && !isPlacement(key) ? [key.slice(0, -ARM.length), true] : [key, false];

// Both flags of each placement, in the order of the decisions.
export const flagsOf = (decisions, ignored, policy) => {
  const told = ignored.map(({ name, why }) => `${name}: ${why}`).join("; "), flags = [];
  for (let from = 0, to; from < decisions.length; from = to) {
    to = from + 1;
    while (decisions[to]?.placement === decisions[from].placement) to++;
    const slots = decisions.slice(from, to);
    flags.push(objectFlag(slots, told, policy), armFlag(slots[0], told, policy));
  }
  return flags;
};

const armOf = ({ offer, rung }) => offer ? `${offer}/${rung}` : "none";

const flagOf = (key, value, decided, told, policy) => ({
  key, ...(value === undefined ? {} : { value }), reason: REASONS[decided.reason], variant: armOf(decided),
  metadata: metadataOf(decided, told, policy),
});

const objectFlag = (slots, told, policy) => {
  const [first, ...others] = slots, has = slots.some(({ offer }) => offer);
  const value = has ? { ...offered(first), more: others.map(offered) } : undefined;
  return flagOf(first.placement, value, first, told, policy);
};

const armFlag = (decided, told, policy) =>
  flagOf(decided.placement + ARM, decided.decision ? armOf(decided) : undefined, decided, told, policy);

const offered = ({ slot, offer, rung, creative, token, subject_kind, expires_s, disclosure, decision, track, receipt }) =>
  ({ slot, offer, rung, creative, token, subject_kind, expires_s, disclosure, decision, track, receipt });

const metadataOf = (decided, ignored, policy) => withoutDefaults({
  reason: decided.reason, decision: decided.decision, slot: decided.slot,
  track: decided.decision ? decided.track : "", receipt: decided.receipt,
  sequence: policy?.sequence ?? 0, bundle: policy?.bundle ?? "", ignored,
});

export const withoutDefaults = (fields) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== "" && value !== 0));
