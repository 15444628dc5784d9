// The page's own copy of the visitor's state (edge/decision/state.py): caps used and choices kept.
// Nobody signs it, so a visitor may reset it; it counts as long as nobody does.  Rules as in
// edge/receipts.py: an exposure advances it, a fresh draw counts once.
import { keep, recall } from "./keep.js";

// Ids of the columns that are read: a test compares them with edge/decision/tables.py.
const OFFER_LIMIT = 34, LIMIT_CAP = 45, CAP_KEY = 47, CAP_PERIOD_S = 48, CAP_PLACEMENT = 50,
  RUNG_KEY = 53, RUNG_OFFER = 54, PLACEMENT_KEY = 71;
const DEFAULT = 0, FRESH = 1, HELD_OUT = 1 | 2, SESSION = 4;
const NAME = "state", ENTRIES = 48, EMPTY = { caps: [], kept: [], overflow: false };

const isWhole = (value) => Number.isInteger(value) && value >= 0 && value <= 0xffffffff;

const isCap = (cap) => ["key", "window", "count"].every((name) => isWhole(cap?.[name]));

const isKept = (kept) => /^[0-9a-f]{32}$/.test(kept?.drawn_by) && kept.slot < 65536 && kept.redraw < 65536 &&
  ["placement_key", "slot", "redraw", "epoch", "arm_key"].every((name) => isWhole(kept[name]));

export const readState = (page) => {
  try {
    const { caps, kept, overflow } = JSON.parse(recall(page, NAME)) ?? EMPTY;
    if (!caps.every(isCap) || !kept.every(isKept)) return { ...EMPTY, overflow: true };
    return { caps: caps.slice(0, ENTRIES), kept: kept.slice(0, ENTRIES - caps.length), overflow: overflow === true };
  } catch { return { ...EMPTY, overflow: true }; } // what it held is unknown: strict caps withhold
};

const windowOf = (now_s, period_s) => period_s ? Math.floor(now_s / period_s) : 0;

// What an exposure of this row would change; null where it would change nothing.
export const receiptOf = (policy, row, decision, now_s) => {
  const { names } = policy, track = row.flags & HELD_OUT ? row.ghost : row.shown;
  if (track.draw === DEFAULT || row.flags & SESSION) return null;
  const caps = [];
  if (track.arm) {
    const offer = names.at(RUNG_OFFER, track.arm - 1);
    for (let i = names.at(OFFER_LIMIT, offer); i < names.at(OFFER_LIMIT, offer + 1); i++) {
      const cap = names.at(LIMIT_CAP, i), place = names.at(CAP_PLACEMENT, cap);
      if (place === -1 || place === row.placement)
        caps.push([names.at(CAP_KEY, cap), windowOf(now_s, names.at(CAP_PERIOD_S, cap))]);
    }
  }
  return {
    decision, caps,
    kept: {
      placement_key: names.at(PLACEMENT_KEY, row.placement), slot: row.slot, redraw: row.redraw,
      epoch: row.epoch, arm_key: track.arm ? names.at(RUNG_KEY, track.arm - 1) : 0,
      drawn_by: track.draw === FRESH ? decision : row.drawn_by,
    },
  };
};

export const advance = (state, { decision, kept, caps }) => {
  const same = (other) => other.placement_key === kept.placement_key && other.slot === kept.slot;
  const before = state.kept.find((other) => same(other) && other.epoch === kept.epoch);
  if (decision === kept.drawn_by && before?.drawn_by === kept.drawn_by) return state;
  let counts = state.caps;
  for (const [key, window] of caps) {
    const old = counts.find((cap) => cap.key === key);
    if (old?.window > window) continue;
    const count = old?.window === window ? old.count + 1 : 1;
    counts = [...counts.filter((cap) => cap.key !== key), { key, window, count }];
  }
  const choices = [...state.kept.filter((other) => !same(other)), kept];
  return trimmed({ caps: counts, kept: choices, overflow: state.overflow });
};

// The least counts go first, then the oldest choices; strict caps then withhold.
const trimmed = ({ caps, kept, overflow }) => {
  while (caps.length + kept.length > ENTRIES || 4 + 12 * caps.length + 32 * kept.length > 1200) {
    overflow = true;
    if (caps.length >= kept.length) {
      const least = caps.reduce((a, b) => (b.count < a.count ? b : a));
      caps = caps.filter((cap) => cap !== least);
    } else kept = kept.slice(1);
  }
  return { caps, kept, overflow };
};

export const countExposure = (page, receipt) => {
  keep(page, NAME, JSON.stringify(advance(readState(page), receipt)));
};
