// Decides in JavaScript, with the wasm kernel: kernel.d.ts says how, ../kernel/kernel.h what.

// Ids of the columns that encoding reads: a test compares them with edge/decision/tables.py.
const HEAP = 2, TEXT_START = 3, ATTRIBUTE_NAME = 4, ATTRIBUTE_TYPE = 5, ATTRIBUTE_SCALE = 6,
  ATTRIBUTE_FLAGS = 8, ATTRIBUTE_LOW = 9, ATTRIBUTE_HIGH = 10, ATTRIBUTE_OP = 11,
  ATTRIBUTE_WORD = 16, WORD_TEXT = 18, OFFER_NAME = 29, RUNG_NAME = 52, RUNG_OFFER = 54,
  PLACEMENT_NAME = 70;
const ENUMERATED = 4, SIZE_LIMIT = 65536, VERDICT_BYTES = 589840;
const TYPES = [Uint8Array, Uint16Array, Uint32Array, Int8Array, Int16Array, Int32Array, BigInt64Array];
const BUNDLE_CODES = ["SIZE", "MAGIC", "FORMAT", "SECTION", "COLUMN", "TABLE", "TEXT", "MEANING"];
const REQUEST_CODES = ["JSON", "FIELD", "SIZE", "ENCODING"];
const FIELDS = ["visitor", "customer", "nonce", "locale", "consent", "now_s", "placements", "taken",
  "attributes", "state"];
const KEPT = ["placement_key", "slot", "redraw", "epoch", "arm_key", "drawn_by"];

export class KernelError extends Error {
  constructor(code, kind = "RequestError") {
    super(`${kind} ${code}`);
    this.name = kind;
    this.code = code;
  }
}

const refuse = (code) => { throw new KernelError(code); };

const check = (code) => {
  if (code >= 0) return code;
  if (code <= -17 && code > -21) refuse(REQUEST_CODES[-17 - code]);
  throw new KernelError(BUNDLE_CODES[-1 - code] ?? String(code), "BundleError");
};

export const loadKernel = async (source) => {
  if (typeof source === "string" || source instanceof URL) source = await fetch(source);
  if (source instanceof Response) source = await source.arrayBuffer();
  try {
    return new Kernel(source.byteLength === undefined ? source : await WebAssembly.compile(source));
  } catch (error) { // a page's policy may forbid wasm
    if (globalThis.WebAssembly?.validate(source) === false) throw error;
    return new Kernel(await import("./kernel-plain.min.js"));
  }
};

export class Kernel {
  constructor(module) { this.module = module; }

  open(bundle) {
    const { module } = this;
    return new Policy(module.instantiate?.() ?? new WebAssembly.Instance(module).exports, bundle);
  }
}

// --- a policy ---------------------------------------------------------------

export class Policy {
  constructor(kernel, bundle) {
    this.kernel = kernel;
    this.bundle = kernel.__heap_base.value + 15 & -16;
    this.scratch = this.bundle + bundle.length + 23 & -16; // eight bytes of slack before
    this.fit(this.scratch);
    this.bytes.set(bundle, this.bundle);
    const size = kernel.proffer_scratch_bytes(this.bundle, bundle.length);
    this.request = this.scratch + size + 64; // what names a decision stands before its request
    this.out = this.request + SIZE_LIMIT + 512;
    this.rest = this.out + VERDICT_BYTES;
    this.fit(this.rest + SIZE_LIMIT); // a manifest fits too, so that no view goes stale under way
    check(kernel.proffer_open(this.bundle, bundle.length, this.scratch, size));
    this.names = new Names(bundle.slice());
  }

  fit(end) {
    const { memory } = this.kernel, missing = end - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / 65536));
    this.bytes = new Uint8Array(memory.buffer);
    this.view = new DataView(memory.buffer);
  }

  put(bytes, at) {
    if (at + bytes.length > this.bytes.length) this.fit(at + bytes.length);
    this.bytes.set(bytes, at);
  }

  encode(request) {
    const found = this.encodeHere(toFields(request));
    return { ...found, data: found.data.slice() };
  }

  // As `encode`, in the kernel's memory: `data` is a view of it, good until the next request.
  encodeHere(fields) {
    const found = { unknown_placements: [], unknown_attributes: [], data: null };
    const size = encode(this, fields, found);
    found.data = this.bytes.subarray(this.request, this.request + size);
    return found;
  }

  decide(manifest, data) {
    if (data.length > SIZE_LIMIT) refuse("ENCODING");
    this.put(data, this.request);
    return this.answer(manifest, data.length);
  }

  // Of what `encodeHere` has just encoded: a view of the kernel's memory, as `data` is.
  decideHere(manifest, data) { return this.answerHere(manifest, data.length); }

  decideRequest(manifest, request) {
    return this.answer(manifest, encode(this, toFields(request), {}));
  }

  answer(manifest, size) { return this.answerHere(manifest, size).slice(); }

  answerHere(manifest, size) {
    this.put(manifest, this.rest);
    const length = check(this.kernel.proffer_decide(
      this.scratch, this.rest, manifest.length, this.request, size, this.out, VERDICT_BYTES));
    return this.bytes.subarray(this.out, this.out + length);
  }

  sha256(data) {
    this.put(data, this.rest + 32);
    this.kernel.proffer_sha256(this.rest + 32, data.length, this.rest);
    return this.bytes.slice(this.rest, this.rest + 32);
  }
}

// What a bundle calls things.  Texts are strings of bytes here, which compare as bytes do.
class Names {
  constructor(bundle) {
    const view = new DataView(bundle.buffer), columns = [];
    for (let i = 0; i < view.getUint16(6, true); i++) {
      const at = 16 + 12 * i, type = TYPES[bundle[at + 2]];
      columns[view.getUint16(at, true)] =
        new type(bundle.buffer, view.getUint32(at + 4, true), view.getUint32(at + 8, true));
    }
    this.columns = columns;
    this.placements = this.rows(PLACEMENT_NAME);
    this.attributes = this.rows(ATTRIBUTE_NAME, (row) => !this.at(ATTRIBUTE_OP, row));
    this.gauges = this.list(ATTRIBUTE_NAME).map((_, row) => ({
      type: this.at(ATTRIBUTE_TYPE, row), digits: this.at(ATTRIBUTE_SCALE, row),
      low: this.at(ATTRIBUTE_LOW, row), high: this.at(ATTRIBUTE_HIGH, row),
      words: this.at(ATTRIBUTE_FLAGS, row) & ENUMERATED && this.words(row),
    }));
    this.sent = new Array(this.gauges.length);
  }

  at(column, row) { return Number(this.columns[column][row]); }

  list(column) { return Array.from(this.columns[column] ?? []); }

  text(column, row) {
    const text = this.at(column, row), start = this.columns[TEXT_START];
    let bytes = "";
    for (let i = Number(start[text]); i < start[text + 1]; i++)
      bytes += String.fromCharCode(this.columns[HEAP][i]);
    return bytes;
  }

  words(row) {
    const start = this.columns[ATTRIBUTE_WORD], words = new Set();
    for (let word = Number(start[row]); word < start[row + 1]; word++)
      words.add(this.text(WORD_TEXT, word));
    return words;
  }

  rows(column, counts = () => true) {
    const rows = new Map();
    this.list(column).forEach((_, row) => counts(row) && rows.set(wide(this.text(column, row)), row));
    return rows;
  }

  get arms() { // made when first asked for: most pages have taken nothing
    const arms = new Map([["none", 0]]);
    this.list(RUNG_NAME).forEach((_, row) => arms.set(
      wide(`${this.text(OFFER_NAME, this.at(RUNG_OFFER, row))}/${this.text(RUNG_NAME, row)}`), row + 1));
    Object.defineProperty(this, "arms", { value: arms });
    return arms;
  }
}

// --- JSON ------------------------------------------------------------------

const wide = (bytes) => decodeURIComponent(escape(bytes));

// The UTF-8 bytes of a text as a string, or null if it is ill-formed.
const narrow = (text) => {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return encoded(text);
  return text;
};

const encoded = (text) => {
  try { return unescape(encodeURIComponent(text)); } catch { return null; }
};

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

const toFields = (request) => {
  if (isObject(request) && !(request instanceof Uint8Array)) return request;
  const text = typeof request === "string" ? request : toText(request);
  if ((narrow(text) ?? refuse("JSON")).length > SIZE_LIMIT) refuse("SIZE");
  let depth = 0, fields;
  for (const [found] of text.matchAll(/"(?:[^"\\]|\\.)*(?:"|\\?$)|[[\]{}]/gs))
    if (found[0] !== '"' && (depth += "[{".includes(found) ? 1 : -1) > 8) refuse("JSON");
  try { fields = JSON.parse(text); } catch { refuse("JSON"); }
  return isObject(fields) ? fields : refuse("JSON");
};

const toText = (bytes) => {
  if (bytes.length > SIZE_LIMIT) refuse("SIZE");
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch { return refuse("JSON"); }
};

// --- fields ------------------------------------------------------------------

const isWhole = (value) => Number.isSafeInteger(value);

const whole = (value, high = 0xffffffff) =>
  isWhole(value) && value >= 0 && value <= high ? value : refuse("FIELD");

const part = (value, most) => {
  const bytes = typeof value === "string" && value ? narrow(value) : null;
  return bytes === null || bytes.length > most || /[\0-\x1f]/.test(bytes) ? refuse("FIELD") : bytes;
};

const optional = (value, most) => value === null || value === undefined ? "" : part(value, most);

const list = (value, most) => {
  if (value === null || value === undefined) return [];
  return Array.isArray(value) && value.length <= most ? value : refuse("FIELD");
};

const has = (value, names) => isObject(value) && Object.keys(value).length === names.length &&
  names.every((name) => Object.hasOwn(value, name)) ? value : refuse("FIELD");

const readPlacements = (names, value, unknown) => {
  const wanted = list(value, 64), rows = [];
  if (!wanted.length || new Set(wanted).size !== wanted.length) refuse("FIELD");
  for (const name of wanted) {
    part(name, Infinity);
    const row = names.placements.get(name);
    if (row === undefined) unknown?.push(name);
    else rows.push(row);
  }
  return rows.sort((a, b) => a - b);
};

const readTaken = (names, value) => list(value, 64).map((entry) => {
  const { placement, slot, arm } = has(entry, ["placement", "slot", "arm"]);
  part(placement, Infinity);
  if (typeof arm !== "string") refuse("FIELD");
  return [names.placements.get(placement) ?? 0xffff, whole(slot, 0xffff),
    names.arms.get(arm) ?? 0xffffffff];
});

const readState = (value) => {
  if (value === null || value === undefined) return { flags: 0, caps: [], kept: [] };
  if (!isObject(value)) refuse("FIELD");
  for (const name of Object.keys(value))
    if (!["caps", "kept", "overflow"].includes(name)) refuse("FIELD");
  const { overflow = false } = value;
  if (typeof overflow !== "boolean") refuse("FIELD");
  const caps = list(value.caps, 48), kept = list(value.kept, 48);
  for (const entry of caps)
    for (const name of Object.keys(has(entry, ["key", "window", "count"]))) whole(entry[name]);
  for (const entry of kept) {
    if (!/^[0-9a-f]{32}$/.test(has(entry, KEPT).drawn_by) || typeof entry.drawn_by !== "string")
      refuse("FIELD");
    for (const name of KEPT.slice(0, 5))
      whole(entry[name], name === "slot" || name === "redraw" ? 0xffff : undefined);
  }
  return { flags: overflow ? 3 : 1, caps, kept };
};

// Puts what was sent where its row is; returns how many attributes have a row.
const sortAttributes = (names, value, unknown) => {
  let count = 0;
  names.sent.fill(null);
  if (value === null || value === undefined) return 0;
  if (!isObject(value)) refuse("FIELD");
  for (const name of Object.keys(value)) {
    const row = names.attributes.get(name);
    if (row === undefined) unknown?.push(name);
    else if ((names.sent[row] = value[name] ?? null) !== null) count++;
  }
  return count;
};

// --- values of attributes: a number, bytes, a list of bytes, or null if invalid ----------------

const within = (gauge, number) => number >= gauge.low && number <= gauge.high ? number : null;

const readInt = (gauge, value) => isWhole(value) ? within(gauge, value) : null;

const readDecimal = (gauge, value) => {
  if (isWhole(value)) return within(gauge, value * 10 ** gauge.digits);
  const match = typeof value === "string" && /^(-?)(\d{1,15})(?:\.(\d+))?$/.exec(value);
  if (!match || match[3]?.length > gauge.digits) return null;
  const number = Number(match[2] + (match[3] ?? "").padEnd(gauge.digits, "0"));
  return within(gauge, match[1] ? -number : number);
};

const readString = (gauge, value) => {
  const bytes = typeof value === "string" ? narrow(value) : null;
  return bytes === null || bytes.length > 256 || gauge.words && !gauge.words.has(bytes) ? null : bytes;
};

const readSet = (gauge, value) => {
  if (!Array.isArray(value) || value.length > 64) return null;
  const elements = value.map((element) => readString(gauge, element));
  return elements.includes(null) ? null : [...new Set(elements)].sort();
};

const READERS = [
  (_, value) => typeof value === "boolean" ? +value : null,
  readInt, readDecimal, readString, readSet, readInt,
];

// --- the encoded request, as drawn in edge/decision/request.py ------------------------------

const encode = (policy, fields, found) => {
  for (const name of Object.keys(fields)) if (!FIELDS.includes(name)) refuse("FIELD");
  const { names, view, bytes, request: at } = policy;
  const wanted = readPlacements(names, fields.placements, found.unknown_placements);
  const consent = ["full", "contextual", "none"].indexOf(fields.consent);
  if (consent < 0) refuse("FIELD");
  const units = [(consent ? optional : part)(fields.visitor, 128), optional(fields.customer, 128),
    part(fields.nonce, 128), optional(fields.locale || null, 35)];
  if (fields.locale === false || fields.locale === 0) refuse("FIELD");
  const now = whole(fields.now_s), taken = readTaken(names, fields.taken);
  const state = readState(fields.state);
  const count = sortAttributes(names, fields.attributes, found.unknown_attributes);

  let p = at + 40;
  const u16 = (value) => { view.setUint16(p, value, true); p += 2; };
  const u32 = (value) => { view.setUint32(p, value, true); p += 4; };
  for (const row of wanted) u32(row);
  for (const [placement, slot, arm] of taken) u16(placement), u16(slot), u32(arm);
  const entries = p;
  p += 16 * count;
  for (const cap of state.caps) u32(cap.key), u32(cap.window), u32(cap.count);
  for (const kept of state.kept) {
    u32(kept.placement_key), u16(kept.slot), u16(kept.redraw), u32(kept.epoch), u32(kept.arm_key);
    for (let i = 0; i < 32; i += 2) bytes[p++] = parseInt(kept.drawn_by.slice(i, i + 2), 16);
  }
  const heap = p, limit = at + SIZE_LIMIT;
  const put = (text) => {
    if (p + text.length > limit) refuse("SIZE");
    for (let i = 0; i < text.length; i++) bytes[p++] = text.charCodeAt(i);
  };
  units.forEach(put);
  let entry = entries;
  const write = (row, form, size, value) => {
    view.setUint32(entry, row | form << 16, true);
    view.setUint32(entry + 4, size, true);
    view.setUint32(entry + 8, value, true);
    view.setInt32(entry + 12, Math.floor(value / 4294967296), true);
    entry += 16;
  };
  names.sent.forEach((content, row) => {
    if (content === null) return;
    const gauge = names.gauges[row], value = READERS[gauge.type](gauge, content), from = p - heap;
    if (value === null) write(row, 1, 0, 0);
    else if (typeof value === "number") write(row, 0, 0, value);
    else if (typeof value === "string") put(value), write(row, 2, value.length, from);
    else {
      for (const each of value) put(String.fromCharCode(each.length & 255, each.length >> 8)), put(each);
      write(row, 3, value.length, from);
    }
  });
  const end = p;
  if (end > limit) refuse("SIZE");
  p = at;
  u32(0x51525250), u16(consent << 8), u16(state.flags), u32(now), u32(0);
  units.forEach((unit) => u16(unit.length));
  [wanted.length, taken.length, count, state.caps.length, state.kept.length, 0].forEach(u16);
  u32(end - heap);
  return end - at;
};

// --- the verdict, as drawn in edge/decision/beacon.py -----------------------------------------

// 16 bytes, as an id is written.
const hex = (data, from) => {
  let text = "";
  for (const byte of data.subarray(from, from + 16)) text += (256 + byte).toString(16).slice(1);
  return text;
};

export const readVerdict = (data) => {
  const view = new DataView(data.buffer, data.byteOffset, data.length), rows = [];
  const u32 = (at) => view.getUint32(at, true), u16 = (at) => view.getUint16(at, true);
  const count = u16(6);
  let next = 16 + 64 * count;
  const track = (at) => {
    const listed = [];
    for (let i = u16(at + 10); i--; next += 8) listed.push([u32(next), u32(next + 4)]);
    return { arm: u32(at), tickets: u32(at + 4), draw: data[at + 8], reason: data[at + 9], listed,
      candidates: u32(at + 12) };
  };
  for (let at = 16; rows.length < count; at += 64) {
    const flags = data[at + 3], shown = track(at + 12), ghost = track(at + 28);
    rows.push({
      placement: u16(at), slot: data[at + 2], flags, epoch: u32(at + 4), redraw: u16(at + 8),
      shown, ghost: flags & 64 ? shown : ghost,
      drawn_by: hex(data, at + 44),
    });
  }
  return rows;
};
