// SHA-256 and HMAC at once, with the kernel's own: WebCrypto's only come asynchronously, and a
// decision needs half a dozen.  Also words and keys (edge/decision/hashing.py).

const BLOCK = 64, DIGEST = 32;
const SHORT = 400, CHANCE_BYTES = 2048;
const ASCII = /^[\0-\x7f]*$/;
const encoder = new TextEncoder();

// The platform's encoder is dear to call for a few characters.
export const utf8 = (text) => {
  const { length } = text;
  if (length > SHORT) return encoder.encode(text);
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code > 127) return encoder.encode(text);
    bytes[i] = code;
  }
  return bytes;
};

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export const toHex = (bytes) => {
  let text = "";
  for (const byte of bytes) text += HEX[byte];
  return text;
};

const digitOf = (code) => code < 58 ? code - 48 : code - 87;

// Of digits in lower case.
export const fromHex = (text) => {
  const bytes = new Uint8Array(text.length >> 1);
  for (let i = 0; i < bytes.length; i++)
    bytes[i] = digitOf(text.charCodeAt(2 * i)) << 4 | digitOf(text.charCodeAt(2 * i + 1));
  return bytes;
};

let chance = new Uint8Array(0);

// 16 bytes that nobody can guess, in hexadecimal; asked of the platform many at a time.
export const randomHex = () => {
  if (!chance.length) chance = crypto.getRandomValues(new Uint8Array(CHANCE_BYTES));
  const taken = chance.subarray(0, 16);
  chance = chance.subarray(16);
  return toHex(taken);
};

// Takes as long for equal texts as for others of that length.
export const isSame = (a, b) => {
  let difference = a.length ^ b.length;
  for (let i = 0; i < a.length; i++) difference |= a.charCodeAt(i) ^ b.charCodeAt(i);
  return difference === 0;
};

export class Hasher {
  // `module`: the kernel, as the platform has compiled it.
  constructor(module) {
    this.kernel = new WebAssembly.Instance(module).exports;
    this.out = this.kernel.__heap_base.value + 15 & -16;
    this.from = this.out + DIGEST;
  }

  // Room that stays whoever's it is: where it begins.
  reserve(size) {
    const at = this.from;
    this.from += size;
    this.room(0);
    return at;
  }

  // All memory, with so many bytes for a message.
  room(size) {
    const { memory } = this.kernel, missing = this.from + size - memory.buffer.byteLength;
    if (missing > 0) memory.grow(Math.ceil(missing / 65536));
    if (this.bytes?.buffer !== memory.buffer) this.bytes = new Uint8Array(memory.buffer);
    return this.bytes;
  }

  sha256(data) {
    this.put(data);
    return this.digest(this.from, data.length);
  }

  put(data) { this.room(data.length).set(data, this.from); }

  digest(from, size) {
    this.kernel.proffer_sha256(from, size, this.out);
    return this.bytes.slice(this.out, this.out + DIGEST);
  }

  // HMAC-SHA256 under this secret.
  hmac(secret) { return new Hmac(this, secret); }

  word(...parts) {
    const digest = this.sha256(utf8(parts.join("\x1f")));
    return new DataView(digest.buffer).getUint32(0);
  }

  ticket(...parts) { return this.word(...parts) >>> 12; }

  keyOf(path) { return this.word(path); }
}

const MESSAGE_BYTES = 4096;

// A message is put together in an array of its own, since single bytes reach the kernel's memory
// slowly, and goes over at once.
class Hmac {
  constructor(hasher, secret) {
    const key = new Uint8Array(BLOCK);
    key.set(secret.length > BLOCK ? hasher.sha256(secret) : secret);
    this.hasher = hasher;
    this.message = new Uint8Array(MESSAGE_BYTES);
    this.message.set(key.map((byte) => byte ^ 0x36));
    this.outer = hasher.reserve(BLOCK + DIGEST);
    hasher.room(0).set(key.map((byte) => byte ^ 0x5c), this.outer);
  }

  // Of parts in a row: bytes, or texts in ASCII.
  of(...parts) {
    this.size = BLOCK;
    for (const part of parts) this.add(part);
    return this.end();
  }

  // Of a label and parts with their lengths before them: bytes or texts.
  framed(label, parts) {
    this.size = BLOCK;
    this.add(label);
    for (const part of parts) {
      const bytes = typeof part === "string" && !ASCII.test(part) ? utf8(part) : part, { length } = bytes;
      const message = this.fit(4);
      message[this.size++] = length >>> 24;
      message[this.size++] = length >>> 16;
      message[this.size++] = length >>> 8;
      message[this.size++] = length;
      this.add(bytes);
    }
    return this.end();
  }

  add(part) {
    const { length } = part, message = this.fit(length), at = this.size;
    if (typeof part !== "string") message.set(part, at);
    else for (let i = 0; i < length; i++) message[at + i] = part.charCodeAt(i);
    this.size += length;
  }

  fit(more) {
    if (this.size + more > this.message.length) {
      const larger = new Uint8Array(2 * (this.size + more));
      larger.set(this.message);
      this.message = larger;
    }
    return this.message;
  }

  end() {
    const { hasher, outer } = this;
    hasher.put(this.message.subarray(0, this.size));
    hasher.kernel.proffer_sha256(hasher.from, this.size, outer + BLOCK);
    return hasher.digest(outer, BLOCK + DIGEST);
  }
}

// Whether a text may be a part of a word: not empty, no control bytes, well-formed.
export const isPart = (text) => text !== "" && !/[\0-\x1f]/.test(text) && text.isWellFormed();
