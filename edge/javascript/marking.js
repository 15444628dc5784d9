// Fills slots while HTML streams through the platform's HTMLRewriter.
//
// HTMLRewriter knows HTML, but it cannot wait: it would replace an element's content before it knows
// whether the element ends.  So it only *marks* where a slot and its content begin and end, with
// texts that nobody can guess.  Behind it the marks come out again, and a slot that is whole is
// filled.  One that is too large or never ends goes out as it came.
//
// HTMLRewriter gives up with an error where HTML is too strange.  Since marks aside it changes
// nothing, what it has let through is known to the byte: from there on the page goes out as it came.
import { toHex, utf8 } from "./hashing.js";
import { ESCAPE, SLOT, SLOT_LIMIT_BYTES, filledSlot, joined } from "./filling.js";
import { chunksOf } from "./waiting.js";

const FIRST = 1; // a control character: pages have none
const HTML_NAMESPACE = "http://www.w3.org/1999/xhtml";
const AS_HTML = { html: true };
const [BEGIN, CONTENT, END, ENDED] = "abcd";

// The page's pieces, filled.  `slots`: slots.js.
export async function* marked(body, slots) {
  const secret = toHex(crypto.getRandomValues(new Uint8Array(12)));
  const marks = new Marks(secret, slots), source = new Source(body);
  try {
    for await (const chunk of chunksOf(source.through(rewriterOf(secret)))) yield marks.read(chunk);
    yield marks.close();
  } catch (error) {
    if (!source.failure) console.warn(`a page stays as it is from here on: ${error.message}`);
    yield marks.close();
  }
  yield* source.rest(marks.seen);
}

const rewriterOf = (secret) => {
  const mark = (letter) => `\x01${secret}${letter}`;
  return new HTMLRewriter().on(SLOT, {
    element(element) {
      if (element.namespaceURI !== HTML_NAMESPACE) return;
      element.before(mark(BEGIN), AS_HTML);
      element.prepend(mark(CONTENT), AS_HTML);
      element.onEndTag((end) => {
        if (end.name !== SLOT) return; // the end of something around it
        end.before(mark(END), AS_HTML);
        end.after(mark(ENDED), AS_HTML);
      });
    },
  });
};

// The origin's bytes, on their way through the rewriter and kept until they are known to be through.
class Source {
  constructor(body) {
    this.chunks = chunksOf(body);
    this.kept = [];
    this.first = 0; // where `kept` begins in the page
    this.failure = null;
    this.isDone = false;
    this.isPlain = false;
  }

  through(rewriter) {
    const { readable, writable } = new TransformStream();
    this.pumping = this.pump(writable.getWriter());
    return rewriter.transform(new Response(readable, { headers: { "content-type": "text/html" } })).body;
  }

  async pump(writer) {
    try {
      while (!this.isPlain && await this.next()) {
        const chunk = this.kept.at(-1), escape = chunk.indexOf(ESCAPE);
        this.isPlain = escape >= 0;
        await writer.write(escape < 0 ? chunk.slice() : chunk.slice(0, escape));
      }
      await (this.failure ? writer.abort(this.failure) : writer.close());
    } catch { /* the rewriter has failed: whoever reads from it knows */ }
  }

  // Whether there was another chunk.
  async next() {
    try {
      const { done, value } = await this.chunks.next();
      this.isDone = done === true;
      if (!done) this.kept.push(value);
    } catch (error) {
      this.failure = error;
      this.isDone = true;
    }
    return !this.isDone;
  }

  // All bytes from there on, as they came.
  async* rest(from) {
    yield this.take(from);
    await this.pumping;
    for (;;) {
      yield this.take(0);
      if (this.isDone || !await this.next()) break;
    }
    if (this.failure) throw this.failure;
  }

  take(from) {
    const bytes = joined(this.kept.splice(0)), rest = bytes.subarray(Math.min(bytes.length, Math.max(0, from - this.first)));
    this.first += bytes.length;
    return rest;
  }
}

// Reads marked HTML.  `seen`: how many bytes of the page itself came by.
class Marks {
  constructor(secret, slots) {
    this.secret = utf8(secret);
    this.size = this.secret.length + 2;
    this.slots = slots;
    this.tail = new Uint8Array(0); // what may be the beginning of a mark
    this.slot = null;
    this.seen = 0;
    this.out = [];
  }

  // The bytes to send on for these.
  read(chunk) {
    const bytes = this.tail.length ? joined([this.tail, chunk]) : chunk;
    let from = 0, at = -1;
    this.tail = bytes.subarray(bytes.length);
    while ((at = bytes.indexOf(FIRST, at + 1)) >= 0) {
      if (!this.isMark(bytes, at)) continue;
      this.plain(bytes.subarray(from, at));
      from = at;
      if (at + this.size > bytes.length) {
        this.tail = bytes.slice(at);
        return this.taken();
      }
      from += this.size;
      this.mark(String.fromCharCode(bytes[from - 1]));
      at = from - 1;
    }
    this.plain(bytes.subarray(from));
    return this.taken();
  }

  // Whether these bytes are a mark, or may become one.
  isMark(bytes, at) {
    const { secret } = this, stop = Math.min(secret.length, bytes.length - at - 1);
    for (let i = 0; i < stop; i++) if (bytes[at + 1 + i] !== secret[i]) return false;
    return true;
  }

  taken() { return joined(this.out.splice(0)); }

  // What is still held: the page ended within a slot.
  close() {
    this.release();
    this.slot = null;
    return this.taken();
  }

  plain(bytes) {
    if (!bytes.length) return;
    this.seen += bytes.length;
    const { slot } = this;
    if (!slot || slot.isTooLarge) return void this.out.push(bytes);
    slot.parts[slot.part].push(bytes);
    slot.size += bytes.length;
    if (slot.size <= SLOT_LIMIT_BYTES) return;
    this.release();
    slot.isTooLarge = true;
  }

  release() {
    if (this.slot) this.out.push(...this.slot.parts.flat());
    if (this.slot) this.slot.parts = [[], [], []];
  }

  // A slot within a slot belongs to the outer one.
  mark(letter) {
    const { slot } = this;
    if (letter === BEGIN) {
      if (slot) slot.depth++;
      else this.slot = { depth: 1, part: 0, parts: [[], [], []], size: 0, isTooLarge: false };
    } else if (!slot) return;
    else if (letter === ENDED && --slot.depth === 0) this.fill(slot);
    else if (slot.depth === 1 && letter === CONTENT) slot.part = Math.max(slot.part, 1);
    else if (slot.depth === 1 && letter === END) slot.part = 2;
  }

  fill(slot) {
    this.slot = null;
    if (!slot.isTooLarge) this.out.push(...filledSlot(this.slots, ...slot.parts.map(joined)));
  }
}
