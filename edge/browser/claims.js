// What the signed files say, read strictly: edge/decision/jws.py and claims.py in JavaScript.
// Reading says whether a file is in good form, never whether to believe it: trust.js does.

export class TrustError extends Error {
  constructor(code, detail) {
    super(`${code}: ${detail}`);
    this.name = "TrustError";
    this.code = code;
    this.detail = detail;
  }
}

export const SIZE_LIMIT_BYTES = 64 << 10;
const ALGORITHM = "Ed25519", HEADER_LIMIT_BYTES = 512, SIGNATURES_LIMIT = 16;
const BUNDLE_LIMIT_BYTES = 64 << 20, T = 1 << 20;

const refuse = (code, detail) => { throw new TrustError(code, detail); };

// --- base64url, without padding ---------------------------------------------------------------

export const toBase64url = (bytes) => {
  if (bytes.toBase64) return bytes.toBase64({ alphabet: "base64url", omitPadding: true });
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
};

// The bytes that toBase64url writes as this text; null for other texts.
export const fromBase64url = (text) => {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) return null;
  const bytes = Uint8Array.fromBase64 ? Uint8Array.fromBase64(text, { alphabet: "base64url" })
    : Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
  return toBase64url(bytes) === text ? bytes : null; // stray bits: not as it is written
};

// --- JSON -----------------------------------------------------------------------------------

// UTF-8 JSON: whole numbers without fraction or exponent, well-formed text, every key once.
// Throws a SyntaxError.
export const readStrict = (bytes) => {
  const wrong = (why) => { throw new SyntaxError(why); };
  let text;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch { wrong("not UTF-8"); }
  const value = JSON.parse(text), open = [];
  let isKey = false;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|[{}[\],:]/g)) {
    const keys = open.at(-1);
    if (token[0] === '"') {
      const name = JSON.parse(token);
      if (!name.isWellFormed()) wrong("a lone surrogate");
      if (isKey && keys.has(name)) wrong(`key ${JSON.stringify(name)} is given twice`);
      if (isKey) keys.add(name);
      isKey = false;
    } else if (token === "{" || token === "[") {
      open.push(token === "{" ? new Set() : null);
      isKey = token === "{";
    } else if (token === "}" || token === "]") {
      open.pop();
      isKey = false;
    } else if (token === ",") isKey = keys !== null;
    else if (/\d/.test(token) && /[.eE]/.test(token)) wrong(`${token} is no whole number`);
  }
  return value;
};

// --- the kinds of values ------------------------------------------------------------------------

const wrong = (path, wanted) => { throw new SyntaxError(`${path} must be ${wanted}`); };

const whole = (low, high) => (value, path) =>
  Number.isSafeInteger(value) && value >= low && value <= high ? value
    : wrong(path, `a whole number from ${low} to ${high}`);
const text = (value, path) => typeof value === "string" ? value : wrong(path, "a text");
const flag = (value, path) => typeof value === "boolean" ? value : wrong(path, "true or false");
const one = (...words) => (value, path) => words.includes(value) ? value : wrong(path, words.join(" or "));
const name = (value, path) =>
  typeof value === "string" && /^[^\x00-\x1f]+$/s.test(value) && value.isWellFormed() &&
  Array.from(value).length <= 256 ? value : wrong(path, "a name");
const digest = (value, path) =>
  typeof value === "string" && /^[0-9a-f]{64}$/.test(value) && value.length === 64 ? value
    : wrong(path, "64 hexadecimal digits");
const list = (read, low = 0, high = Infinity) => (value, path) =>
  Array.isArray(value) && value.length >= low && value.length <= high
    ? value.map((each, i) => read(each, `${path}[${i}]`)) : wrong(path, `a list of ${low} to ${high}`);
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const map = (read) => (value, path) =>
  isObject(value) ? new Map(Object.entries(value).map(([key, each]) => [name(key, path), read(each, path)]))
    : wrong(path, "an object");

// Fields as [reader] or [reader, default]; others are refused.
const fields = (readers) => (value, path = "$") => {
  if (!isObject(value)) wrong(path, "an object");
  for (const key of Object.keys(value)) if (!Object.hasOwn(readers, key)) wrong(path, `without ${JSON.stringify(key)}`);
  const read = {};
  for (const [key, [reader, ...otherwise]] of Object.entries(readers)) {
    if (Object.hasOwn(value, key)) read[key] = reader(value[key], `${path}.${key}`);
    else read[key] = otherwise.length ? otherwise[0]() : wrong(`${path}.${key}`, "there");
  }
  return read;
};

const count = whole(0, Number.MAX_SAFE_INTEGER);
const readHeader = fields({ alg: [text], typ: [text], kid: [text] });
const readGeneralForm = fields({
  payload: [text], signatures: [list(fields({ protected: [text], signature: [text] }))],
});
const readKeys = map(fields({
  kty: [one("OKP"), () => "OKP"], crv: [one("Ed25519"), () => "Ed25519"], x: [text],
  role: [one("online", "root")],
}));
const readRootFields = fields({
  tenant: [name], version: [count], epoch: [count], expires_s: [count],
  threshold: [whole(1, 16), () => 1], keys: [readKeys],
});
const none = () => [];
const readPaused = fields({
  all: [flag, () => false], offers: [list(name), none], rungs: [list(name), none],
  placements: [list(name), none],
});
const readManifestFields = fields({
  tenant: [name], channel: [name], projection: [one("edge", "browser")], epoch: [count],
  sequence: [count], issued_s: [count], expires_s: [count],
  releases: [list(fields({
    bundle: [digest], size_bytes: [whole(1, BUNDLE_LIMIT_BYTES)], share: [whole(0, T), () => T],
  }), 1, 16)],
  ramp: [name], paused: [readPaused, () => readPaused({})],
  multipliers: [map(whole(0, 1 << 24)), () => new Map()],
});

// --- the two forms of signed file -----------------------------------------------------------------

const asText = (bytes) => {
  let said = "";
  for (let i = 0; i < bytes.length; i += 8192) said += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return said;
};

const decode = (part) => fromBase64url(part) ?? refuse("MALFORMED", "not base64url as it is written");

const checkSize = (raw) => {
  if (raw.length > SIZE_LIMIT_BYTES) refuse("TOO_LARGE", `${raw.length} bytes; at most ${SIZE_LIMIT_BYTES}`);
};

// The header allow-list: pinned alg and typ, a key id, and nothing else.
const readKeyId = (part, typ) => {
  if (part.length > HEADER_LIMIT_BYTES) refuse("HEADER", `${part.length} bytes; at most ${HEADER_LIMIT_BYTES}`);
  const data = decode(part);
  let header;
  try {
    header = readHeader(readStrict(data));
  } catch (error) { refuse("HEADER", `only alg, typ and kid are read: ${error.message}`); }
  if (header.alg !== ALGORITHM) refuse("HEADER", `alg is not ${ALGORITHM}`);
  if (header.typ !== typ) refuse("HEADER", `typ is not ${typ}`);
  return header.kid;
};

const readSignature = (header, payload, signature, typ) => ({
  kid: readKeyId(header, typ),
  message: new TextEncoder().encode(`${header}.${payload}`),
  signature: decode(signature),
});

// { payload, signatures: [{ kid, message, signature }] }.  Nobody has verified them yet.
export const readCompact = (raw, typ) => {
  checkSize(raw);
  const parts = asText(raw).split(".");
  if (parts.length !== 3) refuse("MALFORMED", `a compact JWS has 3 parts, this has ${parts.length}`);
  const [header, payload, signature] = parts;
  return { payload: decode(payload), signatures: [readSignature(header, payload, signature, typ)] };
};

export const readGeneral = (raw, typ) => {
  checkSize(raw);
  let general;
  try {
    general = readGeneralForm(readStrict(raw));
  } catch (error) { refuse("MALFORMED", `no JWS in general JSON form: ${error.message}`); }
  const { payload, signatures } = general;
  if (!signatures.length || signatures.length > SIGNATURES_LIMIT)
    refuse("MALFORMED", `${signatures.length} signatures`);
  return {
    payload: decode(payload),
    signatures: signatures.map((each) => readSignature(each.protected, payload, each.signature, typ)),
  };
};

// --- payloads ---------------------------------------------------------------------------------

export const readRoot = (payload) => {
  let root;
  try {
    root = readRootFields(readStrict(payload));
  } catch (error) { refuse("MALFORMED", `root: ${error.message}`); }
  const publics = new Set();
  for (const key of root.keys.values()) {
    key.public = fromBase64url(key.x) ?? refuse("MALFORMED", "root: a key is not base64url");
    publics.add(key.x);
  }
  if ([...root.keys.values()].some((key) => key.public.length !== 32))
    refuse("MALFORMED", "root: an Ed25519 key has 32 bytes");
  // else one key under two ids would reach a threshold of two alone
  if (publics.size !== root.keys.size) refuse("MALFORMED", "root: a key has two ids");
  if (root.threshold > keysOf(root, "root").size)
    refuse("MALFORMED", `root: fewer root keys than its threshold ${root.threshold}`);
  return root;
};

export const keysOf = (root, role) => new Map([...root.keys].filter(([, key]) => key.role === role));

export const readManifest = (payload) => {
  let manifest;
  try {
    manifest = readManifestFields(readStrict(payload));
  } catch (error) { refuse("MALFORMED", `manifest: ${error.message}`); }
  if (manifest.releases.reduce((sum, release) => sum + release.share, 0) !== T)
    refuse("MALFORMED", `manifest: shares of releases must sum to ${T}`);
  if (manifest.issued_s >= manifest.expires_s)
    refuse("MALFORMED", "manifest: it expires before it was issued");
  return manifest;
};
