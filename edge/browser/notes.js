// The notes of a bundle: one MessagePack object (edge/decision/notes.py).  Of an offer's notes
// only texts and sizes are read, and only when first asked for; all else is skipped.

const refuse = () => { throw Object.assign(new Error("BundleError TEXT"), { name: "BundleError", code: "TEXT" }); };

const EMPTY = { creatives: new Map(), sizes: [] };

export class Notes {
  constructor(data) {
    this.data = data;
    this.view = new DataView(data.buffer, data.byteOffset, data.length);
    this.decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
    this.offers = []; // where each begins, then what was read of it
    this.locales = [];
    if (data.length) this.refusing(() => this.readTop());
  }

  offer(row) {
    const found = this.offers[row];
    if (typeof found !== "number") return found ?? EMPTY;
    return this.offers[row] = this.refusing(() => this.readOffer(found));
  }

  readTop() {
    this.at = 0;
    this.fields((name) => {
      if (name === "locales") this.locales = this.strings();
      else if (name === "offers") this.list(() => { this.offers.push(this.at); this.skip(); });
      else this.skip();
    });
    if (this.at !== this.data.length) refuse();
  }

  readOffer(at) {
    const found = { ...EMPTY };
    this.at = at;
    this.fields((name) => {
      if (name === "creatives") found.creatives = this.map(() => this.map(() => this.texts()));
      else if (name === "sizes") found.sizes = this.list(() => this.texts());
      else this.skip();
    });
    return found;
  }

  texts() { return this.map(() => this.string()); }

  strings() { return this.list(() => this.string()); }

  // Bytes that end too early are told by DataView, ill-formed text by TextDecoder.
  refusing(read) {
    try { return read(); } catch { return refuse(); }
  }

  // --- MessagePack ------------------------------------------------------------

  // Number of bytes, 1, 2 or 4, big endian.
  number(size) {
    const at = this.at;
    this.at += size;
    return size === 1 ? this.view.getUint8(at) : size === 2 ? this.view.getUint16(at) : this.view.getUint32(at);
  }

  // A length that stands in the tag (from `first` on, `most` of them) or behind it.
  size(first, most, widths) {
    const tag = this.number(1);
    if (tag >= first && tag < first + most) return tag - first;
    return this.number(widths[tag] ?? refuse());
  }

  string() {
    const size = this.size(0xa0, 32, { 0xd9: 1, 0xda: 2, 0xdb: 4 }), from = this.at;
    this.at += size;
    if (this.at > this.data.length) refuse();
    return this.decoder.decode(this.data.subarray(from, this.at));
  }

  list(read) {
    const found = [];
    for (let left = this.size(0x90, 16, { 0xdc: 2, 0xdd: 4 }); left--;) found.push(read());
    return found;
  }

  map(read) {
    const found = new Map();
    this.fields((name) => found.set(name, read()));
    return found;
  }

  fields(read) {
    for (let left = this.size(0x80, 16, { 0xde: 2, 0xdf: 4 }); left--;) read(this.string());
  }

  // Leaves out one value, however deep.
  skip() {
    for (let values = 1; values; values--) {
      const tag = this.number(1);
      if (tag < 0x80 || tag >= 0xe0 || tag === 0xc0 || tag === 0xc2 || tag === 0xc3) continue;
      if (tag < 0x90) values += 2 * (tag - 0x80);
      else if (tag < 0xa0) values += tag - 0x90;
      else if (tag < 0xc0) this.pass(tag - 0xa0);
      else if (tag in WIDTHS) this.pass(WIDTHS[tag]);
      else if (tag in LENGTHS) this.pass(this.number(LENGTHS[tag]));
      else if (tag >= 0xdc) values += this.number(tag & 1 ? 4 : 2) * (tag > 0xdd ? 2 : 1);
      else refuse();
    }
  }

  pass(bytes) { this.at += bytes; }
}

// Bytes of floats and integers, by tag.
const WIDTHS = { 0xca: 4, 0xcb: 8, 0xcc: 1, 0xcd: 2, 0xce: 4, 0xcf: 8, 0xd0: 1, 0xd1: 2, 0xd2: 4, 0xd3: 8 };
// Bytes of the length before binary data and text, by tag.
const LENGTHS = { 0xc4: 1, 0xc5: 2, 0xc6: 4, 0xd9: 1, 0xda: 2, 0xdb: 4 };
