// From a verdict's row to what a page shows: creatives.d.ts says how, edge/decision/creatives.py
// what.  Texts stand in the bundle's notes (notes.js); nothing here changes a decision.
import { Notes } from "./notes.js";

// Ids of the columns that are read: a test compares them with edge/decision/tables.py.
const HEAP = 2, TEXT_START = 3, OFFER_NAME = 29, OFFER_RUNG = 32, OFFER_EXPIRES_S = 39,
  OFFER_FLAGS = 41, RUNG_NAME = 52, RUNG_OFFER = 54, PLACEMENT_NAME = 70, NOTES = 113;
const TOKEN = 4, DISCLOSE = 32;
const REASONS = ["", "BEST", "EXPLORED", "KEPT", "NONE_WON", "NO_CANDIDATE", "HOLDOUT",
  "GLOBAL_HOLDOUT", "NO_CONSENT", "NO_CUSTOMER", "STALE", "PAUSED"];
const DECIMAL_COMMA = new Set(("bg cs da de el es et fi fr hr hu is it lt lv nb nl pl pt ro sk sl sv tr")
  .split(" "));
const DISCLOSURES = {
  en: "This offer was chosen for you automatically.",
  de: "Dieses Angebot wurde automatisiert für Sie ausgewählt.",
  fr: "Cette offre a été choisie pour vous par un procédé automatisé.",
};
const NOBODY = "0".repeat(32);

const languageOf = (locale) => locale.split("-")[0];

// The notice that EU law asks for on personalised prices, in the locale's language.
export const disclosureOf = (locale) => {
  const language = languageOf(locale).toLowerCase();
  return DISCLOSURES[Object.hasOwn(DISCLOSURES, language) ? language : "en"];
};

// Whether a text may become an address: `https:` with a plain host, or a path of the same origin.
export const isSafeAddress = (address) => {
  if (!address || /[\0-\x20\x7f\\]/.test(address)) return false;
  if (address[0] === "/") return address[1] !== "/";
  if (!/^https:\/\/[^/?#@]+([/?#]|$)/i.test(address)) return false;
  try { return new URL(address).hostname !== ""; } catch { return false; }
};

export class Texts {
  constructor(policy) {
    this.policy = policy;
    this.columns = policy.names.columns;
    this.decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    this.notes = new Notes(this.columns[NOTES] ?? new Uint8Array(0));
  }

  at(column, row) { return Number(this.columns[column]?.[row] ?? 0); }

  name(column, row) {
    const text = this.at(column, row), start = this.columns[TEXT_START];
    return this.decoder.decode(this.columns[HEAP].subarray(Number(start[text]), Number(start[text + 1])));
  }

  // SHA-256 of the bundle, which names it.
  get digest() {
    const digest = this.policy.sha256(new Uint8Array(this.columns[TEXT_START].buffer));
    Object.defineProperty(this, "digest", { value: digest });
    return digest;
  }

  // One row of a verdict, for the manifest block and the encoded request that it came from.
  show(manifest, data, row) {
    const decision = this.decisionId(manifest, data, row);
    const shown = {
      decision, placement: this.name(PLACEMENT_NAME, row.placement), slot: row.slot,
      reason: REASONS[row.shown.reason], offer: "", rung: "", creative: {}, disclosure: false,
      token_s: 0, drawn_by: "",
    };
    const { arm } = row.shown;
    if (!arm) return shown;
    const offer = this.at(RUNG_OFFER, arm - 1);
    shown.offer = this.name(OFFER_NAME, offer);
    shown.rung = this.name(RUNG_NAME, arm - 1);
    shown.creative = this.sized(arm, shown.placement, this.localeOf(data));
    shown.disclosure = (row.flags & DISCLOSE) !== 0;
    if (this.at(OFFER_FLAGS, offer) & TOKEN) shown.token_s = this.at(OFFER_EXPIRES_S, offer);
    shown.drawn_by = row.drawn_by === NOBODY ? decision : row.drawn_by;
    return shown;
  }

  // The arm's creative in a locale, its size filled in; empty if it has none there.
  sized(arm, placement, locale) {
    const offer = this.at(RUNG_OFFER, arm - 1), { creatives, sizes } = this.notes.offer(offer);
    const byLocale = creatives.get(placement) ?? new Map();
    const wanted = [locale, languageOf(locale), ...this.notes.locales].find((one) => byLocale.has(one));
    if (wanted === undefined) return {};
    const size = sizes[arm - 1 - this.at(OFFER_RUNG, offer)] ?? new Map();
    const comma = DECIMAL_COMMA.has(languageOf(wanted));
    return Object.fromEntries(Array.from(byLocale.get(wanted), ([field, text]) => {
      for (const [name, value] of size)
        text = text.replaceAll(`{${name}}`, () => comma ? value.replaceAll(".", ",") : value);
      return [field, text];
    }));
  }

  // The last of the four texts at the head of an encoded request's heap (request.py).
  localeOf(data) {
    const view = new DataView(data.buffer, data.byteOffset, data.length), u16 = (at) => view.getUint16(at, true);
    const heap = data.length - view.getUint32(36, true), from = heap + u16(16) + u16(18) + u16(20);
    return this.decoder.decode(data.subarray(from, from + u16(22)));
  }

  // First 16 bytes of SHA-256 over what was decided, as in beacon.py.
  decisionId(manifest, data, row) {
    const parts = new Uint8Array(68 + data.length);
    parts.set(this.digest);
    parts.set(manifest.subarray(8, 40), 32);
    parts.set(data, 64);
    new DataView(parts.buffer).setUint16(64 + data.length, row.placement, true);
    new DataView(parts.buffer).setUint16(66 + data.length, row.slot, true);
    return Array.from(this.policy.sha256(parts).subarray(0, 16),
      (byte) => byte.toString(16).padStart(2, "0")).join("");
  }
}
