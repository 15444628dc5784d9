// What the edge remembers of a unit between requests: edge/decision/state.py, which draws its bytes.
// A state here is what a request's JSON has: { caps, kept, overflow }, decisions in hexadecimal.
import { fromHex, toHex } from "./hashing.js";

const ENTRY_LIMIT = 48, SIZE_LIMIT = 1200, HEADER = 4, CAP = 12, KEPT = 32;

export const EMPTY = Object.freeze({ caps: [], kept: [], overflow: false });

export const windowIndex = (nowS, periodS) => periodS ? Math.floor(nowS / periodS) : 0;

export const packState = ({ caps, kept, overflow }) => {
  const bytes = new Uint8Array(HEADER + CAP * caps.length + KEPT * kept.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0, +overflow, caps.length, kept.length]);
  let at = HEADER;
  for (const cap of caps) {
    [cap.key, cap.window, cap.count].forEach((value, i) => view.setUint32(at + 4 * i, value, true));
    at += CAP;
  }
  for (const each of kept) {
    view.setUint32(at, each.placement_key, true);
    view.setUint16(at + 4, each.slot, true);
    view.setUint16(at + 6, each.redraw, true);
    view.setUint32(at + 8, each.epoch, true);
    view.setUint32(at + 12, each.arm_key, true);
    bytes.set(fromHex(each.drawn_by), at + 16);
    at += KEPT;
  }
  return bytes;
};

// The state in these bytes, or null if they are none.
export const unpackState = (bytes) => {
  if (bytes.length < HEADER || bytes.length > SIZE_LIMIT) return null;
  const [version, flags, caps, kept] = bytes, middle = HEADER + CAP * caps;
  if (version || flags > 1 || caps + kept > ENTRY_LIMIT) return null;
  if (bytes.length !== middle + KEPT * kept) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset), u32 = (at) => view.getUint32(at, true);
  const entries = (count, read) => Array.from({ length: count }, (_, i) => read(i));
  return {
    caps: entries(caps, (i) => HEADER + CAP * i)
      .map((at) => ({ key: u32(at), window: u32(at + 4), count: u32(at + 8) })),
    kept: entries(kept, (i) => middle + KEPT * i).map((at) => ({
      placement_key: u32(at), slot: view.getUint16(at + 4, true), redraw: view.getUint16(at + 6, true),
      epoch: u32(at + 8), arm_key: u32(at + 12), drawn_by: toHex(bytes.subarray(at + 16, at + 32)),
    })),
    overflow: flags === 1,
  };
};

export const choiceOf = (state, placementKey, slot, epoch) => state.kept.find((each) =>
  each.placement_key === placementKey && each.slot === slot && each.epoch === epoch);

// One more exposure under a cap.
export const countExposure = (state, key, window) => {
  const before = state.caps.filter((cap) => cap.key === key && cap.window === window)
    .reduce((sum, cap) => sum + cap.count, 0);
  const others = state.caps.filter((cap) => cap.key !== key);
  return { ...state, caps: [...others, { key, window, count: before + 1 }] };
};

// Keep this choice instead of any earlier one of its placement's slot.
export const keepChoice = (state, choice) => {
  const isOther = (each) => each.placement_key !== choice.placement_key || each.slot !== choice.slot;
  return { ...state, kept: [...state.kept.filter(isOther), choice] };
};

// Fit the state into its limits.  `current`: cap keys of the policy -> their window now; counts of
// other windows have ended and go first; what goes after that sets the flag.
export const trim = (state, current) => {
  const caps = state.caps.filter((cap) => current.get(cap.key) === cap.window);
  const kept = [...state.kept];
  let { overflow } = state;
  const isTooLarge = () => caps.length + kept.length > ENTRY_LIMIT ||
    HEADER + CAP * caps.length + KEPT * kept.length > SIZE_LIMIT;
  while (isTooLarge()) {
    overflow = true;
    if (caps.length && caps.length >= kept.length) caps.splice(leastOf(caps), 1);
    else kept.shift();
  }
  return { caps, kept, overflow };
};

const isLess = (a, b) => a.count !== b.count ? a.count < b.count : a.key < b.key;

const leastOf = (caps) =>
  caps.reduce((least, cap, i) => isLess(cap, caps[least]) ? i : least, 0);
