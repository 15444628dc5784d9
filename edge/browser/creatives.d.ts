/**
 * What a page shows for a verdict's row: texts, reason, expiry, notice, in the request's locale.
 * The same as `edge.decision.creatives.show` in Python.
 *
 *     const texts = new Texts(policy);                          // throws if the notes do not decode
 *     const { data } = policy.encode(request);
 *     for (const row of readVerdict(policy.decide(manifestBlock, data)))
 *       fill(texts.show(manifestBlock, data, row));
 *
 * Contents are text and addresses, never HTML: put them into a page as text, and an address
 * only if `isSafeAddress` says so.
 */
import type { Policy, VerdictRow } from "./kernel.js";

/** One slot's decision; without an offer the page shows its default. */
export interface Shown {
  /** The decision's id: 32 hexadecimal digits. */
  decision: string;
  placement: string;
  slot: number;
  reason: string;
  /** Offer and rung; empty without an offer, and so is all that follows. */
  offer: string;
  rung: string;
  /** headline, body, cta, href, image, image_alt; absent fields are empty. */
  creative: Record<string, string>;
  /** Whether the law asks for a notice: `disclosureOf` has it. */
  disclosure: boolean;
  /** Life of the offer's token in seconds; 0 if it has none. */
  token_s: number;
  /** The decision that drew a kept arm. */
  drawn_by: string;
}

export class Texts {
  /** Throws an Error named BundleError with code TEXT: the notes do not decode. */
  constructor(policy: Policy);
  /** Manifest block and encoded request are those that the row was decided from. */
  show(manifestBlock: Uint8Array, data: Uint8Array, row: VerdictRow): Shown;
}

/** The notice on automated offers, in the locale's language, else in English. */
export function disclosureOf(locale: string): string;

/** `https:` with a plain host, or a path of the same origin. */
export function isSafeAddress(address: string): boolean;
