// A whole <proffer-slot> element, filled.  Its bytes come in three parts: start tag, content, end tag.
import { utf8 } from "./hashing.js";
import { escapeHtml } from "./rendering.js";

export const SLOT = "proffer-slot";
export const SLOT_LIMIT_BYTES = 64 << 10;
export const ESCAPE = 0x1b; // begins ISO-2022-JP, in which the bytes of `<` may mean other things

const ATTRIBUTE = /([^\t\n\f\r />][^\t\n\f\r />=]*)(?:[\t\n\f\r ]*=[\t\n\f\r ]*(?:"([^"]*)"|'([^']*)'|([^\t\n\f\r >]*)))?/g;
const NAMED = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
const decoder = new TextDecoder();

// The element's bytes, in pieces.  `slots`: slots.js.
export const filledSlot = (slots, tag, content, end) => {
  const filling = slots.fill(placementOf(decoder.decode(tag)));
  if (!filling) return [tag, content, end];
  const at = 1 + SLOT.length; // ours come first: browsers take the first of two with one name
  const added = filling.attributes.map(([name, value]) => ` ${name}="${escapeHtml(value)}"`).join("");
  return [
    tag.subarray(0, at), encode(added), tag.subarray(at),
    filling.content === null ? content : encode(filling.content), end, encode(filling.after),
  ];
};

// HTML in every encoding that ASCII is part of: the rest as character references.
const encode = (text) => utf8(text.replace(/[^\0-\x7f]/gu, (char) => `&#${char.codePointAt(0)};`));

// The placement that a start tag names; "" if none.
export const placementOf = (tag) => {
  for (const [, name, ...values] of tag.slice(1 + SLOT.length, -1).matchAll(ATTRIBUTE))
    if (name.toLowerCase() === "placement") return unescapeHtml(values.find((value) => value !== undefined) ?? "");
  return "";
};

const unescapeHtml = (text) => text.replace(/&(?:#x([0-9a-f]{1,6})|#([0-9]{1,7})|(\w+));/gi, (whole, hex, decimal, name) => {
  if (name) return Object.hasOwn(NAMED, name) ? NAMED[name] : whole;
  const code = hex ? parseInt(hex, 16) : Number(decimal);
  return code > 0x10ffff ? "\ufffd" : String.fromCodePoint(code);
});

export const joined = (pieces) => {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
};
