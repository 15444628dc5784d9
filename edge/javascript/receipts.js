// Receipts: what the edge hands a page with a slot, and gets back when it was seen.
// edge/receipts.py draws their bytes and says what they are for.
import { fromHex, toHex } from "./hashing.js";
import * as c from "./columns.js";
import { choiceOf, countExposure, keepChoice, trim, windowIndex } from "./state.js";

export const LIFE_S = 86400;
const SKEW_S = 60, HEADER = 60, CAP = 8;
const DEFAULT = 0, FRESH = 1;
export const GLOBAL_HOLDOUT = 1, HOLDOUT = 2, SESSION = 4;

// The receipt of a verdict's row; null where an exposure would change nothing.
export const receiptOf = (bundle, row, decision, nowS) => {
  const track = row.flags & (HOLDOUT | GLOBAL_HOLDOUT) ? row.ghost : row.shown;
  if (track.draw === DEFAULT || row.flags & SESSION) return null;
  return {
    decision,
    issued_s: nowS,
    kept: {
      placement_key: bundle.at(c.PLACEMENT_KEY, row.placement),
      slot: row.slot,
      redraw: row.redraw,
      epoch: row.epoch,
      arm_key: track.arm ? bundle.at(c.RUNG_KEY, track.arm - 1) : 0,
      drawn_by: track.draw === FRESH ? decision : row.drawn_by,
    },
    caps: track.arm ? capsOf(bundle, row.placement, track.arm, nowS) : [],
  };
};

// (key, window index) of each cap that an exposure of this arm counts under.
const capsOf = (bundle, placement, arm, nowS) => {
  const offer = bundle.at(c.RUNG_OFFER, arm - 1), caps = [];
  for (let i = bundle.at(c.OFFER_LIMIT, offer); i < bundle.at(c.OFFER_LIMIT, offer + 1); i++) {
    const cap = bundle.at(c.LIMIT_CAP, i), place = bundle.at(c.CAP_PLACEMENT, cap);
    if (place === -1 || place === placement)
      caps.push([bundle.at(c.CAP_KEY, cap), windowIndex(nowS, bundle.at(c.CAP_PERIOD_S, cap))]);
  }
  return caps;
};

export const writeReceipt = (seals, visitor, { kept, caps, issued_s, decision }) => {
  const bytes = new Uint8Array(HEADER + CAP * caps.length), view = new DataView(bytes.buffer);
  bytes[1] = caps.length;
  view.setUint16(2, kept.slot, true);
  view.setUint32(4, kept.placement_key, true);
  view.setUint32(8, kept.epoch, true);
  view.setUint16(12, kept.redraw, true);
  view.setUint32(16, kept.arm_key, true);
  view.setUint32(20, issued_s, true); // its upper half is zero until 2106
  bytes.set(fromHex(decision), 28);
  bytes.set(fromHex(kept.drawn_by), 44);
  caps.forEach(([key, window], i) => {
    view.setUint32(HEADER + CAP * i, key, true);
    view.setUint32(HEADER + CAP * i + 4, window, true);
  });
  return seals.seal("receipt", bytes, visitor);
};

// The receipt, or null unless it is this visitor's and not a day old.
export const readReceipt = (seals, visitor, text, nowS) => {
  const bytes = seals.unseal("receipt", text, visitor);
  if (!bytes || bytes.length < HEADER) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset), u32 = (at) => view.getUint32(at, true);
  const issued_s = u32(20) + 2 ** 32 * u32(24), age = nowS - issued_s;
  if (bytes[0] || bytes.length !== HEADER + CAP * bytes[1] || age < -SKEW_S || age >= LIFE_S) return null;
  return {
    issued_s,
    decision: toHex(bytes.subarray(28, 44)),
    kept: {
      placement_key: u32(4), slot: view.getUint16(2, true), redraw: view.getUint16(12, true),
      epoch: u32(8), arm_key: u32(16), drawn_by: toHex(bytes.subarray(44, 60)),
    },
    caps: Array.from({ length: bytes[1] }, (_, i) => [u32(HEADER + CAP * i), u32(HEADER + CAP * i + 4)]),
  };
};

// The state after this exposure.  `fit` it before, so that ended windows are gone.
export const advance = (state, { decision, kept, caps }) => {
  const before = choiceOf(state, kept.placement_key, kept.slot, kept.epoch);
  if (decision === kept.drawn_by && before?.drawn_by === kept.drawn_by) return state;
  for (const [key, window] of caps)
    if (!state.caps.some((cap) => cap.key === key && cap.window > window))
      state = countExposure(state, key, window);
  return keepChoice(state, kept);
};

// Within the limits of a state, by the windows of this policy's caps.
export const fit = (state, bundle, nowS) => {
  if (!bundle) return trim(state, new Map(state.caps.map((cap) => [cap.key, cap.window])));
  const periods = bundle.list(c.CAP_PERIOD_S), keys = bundle.list(c.CAP_KEY);
  return trim(state, new Map(keys.map((key, i) => [key, windowIndex(nowS, periods[i])])));
};
