/**
 * Decides in JavaScript, with the wasm kernel: the same bytes as `edge.decision` in Python.
 *
 *     const kernel = await loadKernel("/kernel.wasm");
 *     const policy = kernel.open(bundle);                       // verified bytes; throws KernelError
 *     const verdict = policy.decideRequest(manifestBlock, request);
 *     for (const row of readVerdict(verdict)) show(row.shown.arm);
 *
 * Nothing here looks at signatures: what is opened must have been verified before.
 */

/** A bundle or request is refused; `name` says which of them, `code` is one of errors.py. */
export class KernelError extends Error {
  name: "BundleError" | "RequestError";
  code: string;
}

/** kernel-plain.min.js: the same module as plain JavaScript. */
export interface PlainModule {
  instantiate(): object;
}

/** Bytes, where to fetch them, or a module that the platform has compiled. */
export type KernelSource = BufferSource | string | URL | Response | WebAssembly.Module;

/**
 * Where a page's policy forbids wasm, imports kernel-plain.min.js from beside this file instead.
 * Bytes that are no module are refused with WebAssembly.CompileError all the same.
 */
export function loadKernel(source: KernelSource): Promise<Kernel>;

export class Kernel {
  /** Synchronous, for modules compiled at deployment. */
  constructor(module: WebAssembly.Module | PlainModule);
  /** Validates all of the bundle, once.  Throws KernelError named BundleError. */
  open(bundle: Uint8Array): Policy;
}

/** A request's fields, as `edge/decision/request_json.py` defines them. */
export interface RequestFields {
  visitor?: string | null;
  customer?: string | null;
  nonce: string;
  locale?: string | null;
  consent: "full" | "contextual" | "none";
  /** Unix seconds. */
  now_s: number;
  placements: string[];
  taken?: { placement: string; slot: number; arm: string }[] | null;
  attributes?: Record<string, unknown> | null;
  state?: {
    caps?: { key: number; window: number; count: number }[] | null;
    kept?: Kept[] | null;
    overflow?: boolean;
  } | null;
}

export interface Kept {
  placement_key: number;
  slot: number;
  redraw: number;
  epoch: number;
  arm_key: number;
  /** 32 hexadecimal digits. */
  drawn_by: string;
}

/** JSON as text or UTF-8 bytes (exactly as the vectors have it), or what JSON.parse gave. */
export type Request = string | Uint8Array | RequestFields;

export interface Encoded {
  data: Uint8Array;
  /** Names that this policy does not know, in the order sent. */
  unknown_placements: string[];
  unknown_attributes: string[];
}

export class Policy {
  /** Throws KernelError named RequestError: JSON, FIELD or SIZE. */
  encode(request: Request): Encoded;
  /** Verdict bytes.  Throws KernelError named RequestError: ENCODING. */
  decide(manifestBlock: Uint8Array, data: Uint8Array): Uint8Array;
  /** As `encode` and `decide` right after it, without copies: what they give are views of the kernel's
   * memory, good until the next call. */
  encodeHere(fields: RequestFields): Encoded;
  decideHere(manifestBlock: Uint8Array, data: Uint8Array): Uint8Array;
  /** The same as both, without a copy of the encoded request. */
  decideRequest(manifestBlock: Uint8Array, request: Request): Uint8Array;
  /** The 32 bytes of SHA-256, at once: digests, decision ids. */
  sha256(data: Uint8Array): Uint8Array;
}

/** One track's outcome; numbers of `draw` and `reason` as in beacon.py and reasons.py. */
export interface Track {
  arm: number;
  tickets: number;
  draw: number;
  reason: number;
  /** Arms that could be drawn, with their tickets out of 2^20. */
  listed: [arm: number, tickets: number][];
  candidates: number;
}

export interface VerdictRow {
  placement: number;
  slot: number;
  flags: number;
  epoch: number;
  redraw: number;
  shown: Track;
  ghost: Track;
  drawn_by: string;
}

/** The rows of a verdict that `decide` gave. */
export function readVerdict(data: Uint8Array): VerdictRow[];
