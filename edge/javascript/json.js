// JSON as edge/decision/request_json.py reads it, and Python's way of quoting what was sent.

const DEPTH_LIMIT = 8, SIZE_LIMIT = 65536;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

// A request that is none: `code` is one of edge/decision/errors.py.
export class RequestError extends Error {
  constructor(code, detail) {
    super(`${code}: ${detail}`);
    this.name = "RequestError";
    this.code = code;
    this.detail = detail;
  }
}

export const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

// A JSON object out of UTF-8 bytes.  Throws RequestError JSON or SIZE.
export const readJson = (bytes) => {
  if (bytes.length > SIZE_LIMIT)
    throw new RequestError("SIZE", `${bytes.length} bytes of JSON; at most ${SIZE_LIMIT}`);
  let value;
  try {
    const text = decoder.decode(bytes);
    checkDepth(text);
    value = JSON.parse(text);
  } catch (error) {
    if (error instanceof RequestError) throw error;
    throw new RequestError("JSON", error.message);
  }
  if (!isObject(value)) throw new RequestError("JSON", "a request is an object");
  return value;
};

const checkDepth = (text) => {
  if (!isDeepAtMost(text)) throw new RequestError("JSON", `nested deeper than ${DEPTH_LIMIT}`);
};

// Few texts have so many brackets that their strings must be told apart.
const isDeepAtMost = (text) => {
  let brackets = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if ((code === 0x5b || code === 0x7b) && ++brackets > DEPTH_LIMIT) return isDeepAtMostExactly(text);
  }
  return true;
};

const isDeepAtMostExactly = (text) => {
  let depth = 0;
  for (const [found] of text.matchAll(/"(?:[^"\\]|\\.)*(?:"|\\?$)|[[\]{}]/gs))
    if (found[0] !== '"' && (depth += "[{".includes(found) ? 1 : -1) > DEPTH_LIMIT) return false;
  return true;
};

// A text as Python's ascii() writes it, so that both edges say the same.
export const quoted = (text) => {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  let said = "";
  for (const char of text) said += quotedChar(char, quote);
  return quote + said + quote;
};

const SHORT = { "\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\" };

const quotedChar = (char, quote) => {
  const code = char.codePointAt(0), hex = (size) => code.toString(16).padStart(size, "0");
  if (char === quote) return `\\${quote}`;
  if (Object.hasOwn(SHORT, char)) return SHORT[char];
  if (code >= 0x20 && code < 0x7f) return char;
  return code < 0x100 ? `\\x${hex(2)}` : code < 0x10000 ? `\\u${hex(4)}` : `\\U${hex(8)}`;
};

// Words in the order of their code points, as Python sorts them.
export const sorted = (words) => [...words].sort((a, b) => {
  const left = Array.from(a), right = Array.from(b);
  const at = left.findIndex((char, i) => char !== right[i]);
  return at < 0 ? left.length - right.length : left[at].codePointAt(0) - (right[at]?.codePointAt(0) ?? -1);
});
