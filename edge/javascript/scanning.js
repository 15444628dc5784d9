// Fills slots while HTML streams by, with our own lexer: edge/pages.py.  Bytes go out as soon as it
// is certain that no slot begins in them; a slot is held until its end tag is there.  One that is too
// large or never ends goes out as it came.
import { ESCAPE, SLOT_LIMIT_BYTES, filledSlot, joined } from "./filling.js";
import { chunksOf } from "./waiting.js";
import { END, ENDED, Lexer, START, STARTED } from "./markup.js";

// One character per byte: which one does not matter, but those of ASCII are themselves.
const toText = (bytes) => new TextDecoder("windows-1252").decode(bytes);

export class Scanner {
  constructor(slots) {
    this.slots = slots;
    this.lexer = new Lexer();
    this.held = new Uint8Array(0);
    this.text = "";
    this.slot = null;
    this.out = [];
  }

  // The bytes to send on for these.
  feed(chunk) {
    const escape = this.lexer.gaveUp ? -1 : chunk.indexOf(ESCAPE);
    if (escape < 0) this.read(chunk);
    else {
      this.read(chunk.subarray(0, escape));
      this.lexer.giveUp();
      this.read(chunk.subarray(escape));
    }
    return joined(this.out.splice(0));
  }

  // What is still held: the page ended within a slot, or within a tag.
  close() {
    this.out.push(this.cut(this.held.length));
    return joined(this.out.splice(0));
  }

  read(chunk) {
    this.held = this.held.length ? joined([this.held, chunk]) : chunk;
    this.text += toText(chunk);
    while (this.step());
    if (this.lexer.gaveUp) this.slot = null;
    if (!this.slot) this.out.push(this.cut(this.lexer.at));
  }

  // Read up to the next find; false when more bytes are needed.
  step() {
    if (!this.slot) {
      const found = this.lexer.advance(this.text);
      if (found?.[0] === START) {
        this.out.push(this.cut(found[1]));
        this.slot = { depth: 1, begin: 0, end: 0 };
      }
      return found !== null;
    }
    const found = this.lexer.advance(this.text.slice(0, SLOT_LIMIT_BYTES));
    if (found) this.within(this.slot, ...found);
    else if (this.held.length >= SLOT_LIMIT_BYTES) this.slot = null;
    return found !== null || !this.slot;
  }

  within(slot, what, at) {
    if (what === START) slot.depth++;
    else if (what === STARTED && !slot.begin) slot.begin = at;
    else if (what === END) {
      slot.depth--;
      slot.end = at;
    } else if (what === ENDED && slot.depth === 0) {
      const element = this.cut(at), { begin, end } = slot;
      this.out.push(...filledSlot(
        this.slots, element.subarray(0, begin), element.subarray(begin, end), element.subarray(end)));
      this.slot = null;
    }
  }

  // Take this many bytes off the front.
  cut(count) {
    const front = this.held.subarray(0, count);
    this.held = this.held.subarray(count);
    this.text = this.text.slice(count);
    this.lexer.at = Math.max(0, this.lexer.at - count);
    return front;
  }
}

// The page's pieces, filled.  An origin that breaks off takes nothing with it that it had sent.
export async function* scanned(body, slots) {
  const scanner = new Scanner(slots);
  let failure;
  try {
    for await (const chunk of chunksOf(body)) yield scanner.feed(chunk);
  } catch (error) { failure = error; }
  yield scanner.close();
  if (failure) throw failure;
}
