/**
 * proffer-browser: offers in a page, decided there or at the edge.
 *
 *     import { sharedPage, defineSlot, askEdge } from "proffer-browser";
 *     const page = sharedPage();
 *     page.decide = askEdge(page);
 *     defineSlot(page);
 *
 * Most pages need none of this: they take the two scripts that are built from these modules.
 */
import type { Kernel, Policy } from "./kernel.js";

export { Kernel, KernelError, loadKernel, readVerdict } from "./kernel.js";

/** What a page says in `<script type="application/json" id="proffer">`; every field may be missing. */
export interface PageSettings {
  /** The manifest block, base64.  Without it the kernel decides nothing. */
  manifest?: string;
  /** The bundle, base64: as trusted as the page that holds it. */
  bundle?: string;
  /** Or its SHA-256 in hexadecimal, and where it is fetched, after the first view. */
  sha256?: string;
  url?: string;
  /** The visitor's pseudonymous id; without it, and with full consent, this browser makes one. */
  visitor?: string;
  customer?: string;
  /** A session token of the shop, for what the edge decides (edge-http.md). */
  session?: string;
  /** What the page knows of consent; the strictest word counts. */
  consent?: Consent;
  locale?: string;
  attributes?: Record<string, unknown>;
  /** Other hosts that offers may link to and take images from. */
  hosts?: string[];
  /** Placement -> height in CSS pixels that its slot reserves. */
  boxes?: Record<string, number>;
  /** Where records of decisions taken in the page are reported; by default nowhere. */
  records?: string;
  /** How long a page waits for a decision before it keeps its default: 150. */
  wait_ms?: number;
  /** How long half of a slot is visible before it counts: 1000. */
  exposure_ms?: number;
  /** TCF purposes that full consent takes: [1, 5, 6]. */
  tcf_purposes?: number[];
  /** Addresses of the edge: "/_proffer/decide", "/_proffer/confirm" and "/_proffer/beacon". */
  edge?: string;
  confirm?: string;
  beacon?: string;
}

export type Consent = "full" | "contextual" | "none" | "";

/** One slot's decision.  Without `offer` the page shows its default. */
export interface Decided {
  /** 32 hexadecimal digits; empty where nothing was decided and nothing is to be reported. */
  decision: string;
  placement: string;
  slot: number;
  /** A name of edge/decision/reasons.py. */
  reason: string;
  offer: string;
  rung: string;
  /** headline, body, cta, href, image, image_alt: text and addresses, never HTML. */
  creative: Record<string, string>;
  disclosure: boolean;
  /** Only the edge issues tokens; a page's own decision is confirmed there when it is accepted. */
  token: string | null;
  track: "shown" | "ghost";
  receipt: string;
}

/** Decides the slots of a placement: at once, or later. */
export type Decide = (placement: string) => Decided[] | Promise<Decided[]>;

export interface Page {
  slots: Set<HTMLElement>;
  settings: PageSettings;
  consent: Consent;
  /** How placements are decided now; without it, defaults. */
  decide?: Decide;
  policy?: Policy;
  /** Why the page's own policy decides nothing. */
  trouble?: Error;
}

/** Where the signed files are, and the root that the page pins. */
export interface Following {
  tenant: string;
  channel: string;
  root: Uint8Array;
  /** Ends with "/"; files are asked at `v1/...` below it. */
  files: string;
  kernel: Kernel;
}

/** The page's one state, shared by all of our scripts on it. */
export function sharedPage(): Page;
/** Defines `<proffer-slot>`, once.  `mayFill`: nothing of the page has been painted yet. */
export function defineSlot(page: Page, mayFill?: boolean): void;
/** A new page view of a single-page shop; page.js notices them by the address. */
export function beginView(page: Page): void;
/** Decides at the edge; slots that come together are asked together. */
export function askEdge(page: Page): Decide;
/** Decides with the kernel, at once.  `policy`: of bytes that were verified. */
export function askKernel(page: Page, policy: Policy): Decide;
/** The consent that the visitor gave, for pages whose tool speaks neither TCF nor GPP. */
export function settleConsent(page: Page, said: Consent): void;
/** The newest signed policy, from now on.  Throws TrustError; then nothing changes. */
export function followPolicy(page: Page, from: Following): Promise<{ epoch: number; sequence: number; digest: string }>;

/** A signed file is refused; `code` is one of docs/reference/trust.md. */
export class TrustError extends Error {
  code: string;
}

/** The checks themselves: edge/decision/trust.py in JavaScript. */
export class Trust {
  constructor(crypto: object | undefined, tenant: string);
}

declare global {
  interface HTMLElementEventMap {
    "proffer-show": CustomEvent<Decided>;
    "proffer-dismiss": CustomEvent<null>;
    "proffer-not-confirmed": CustomEvent<Decided>;
  }
}
