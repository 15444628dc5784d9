// Finds <proffer-slot> elements in HTML while it streams by, where the platform has no HTMLRewriter:
// the lexer of edge/markup.py, which says what it knows of HTML and when it gives up.
//
// It reads a text with one character per byte, moves a position over it, and holds nothing.
import { SLOT } from "./filling.js";
import { Foreign } from "./foreign.js";

export const START = 1, STARTED = 2, END = 3, ENDED = 4;
const FOREIGN = ["svg", "math"], SPECIAL = ["select", "template", "col", "frameset"];
const RAW = ["script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes", "noscript"];
const NAME_LIMIT = 32;

const TEXT = /[^<]+/y, TAG_NAME = /[^\t\n\f\r />]*/y, NOT_SPACE = /[^\t\n\f\r ]/g;
const NAME_END = /[\t\n\f\r />=]/g, VALUE_END = /[\t\n\f\r >]/g, COMMENT_END = /--!?>/g;
const RAW_END = new Map(RAW.map((name) => [name, new RegExp(`</${name}(?=[\\t\\n\\f\\r />])`, "gi")]));
// Whole tags in everyday spelling that change nothing: most of a page.
const EVERYDAY = new RegExp(
  `</?(?!(?:${[SLOT, ...FOREIGN, ...SPECIAL, ...RAW, "plaintext"].join("|")})[\\t\\n\\f\\r />])` +
  "[a-z][^\\t\\n\\f\\r />]*" +
  "(?:[\\t\\n\\f\\r ]+[^\\t\\n\\f\\r \"'<>/=]+" +
  "(?:[\\t\\n\\f\\r ]*=[\\t\\n\\f\\r ]*(?:\"[^\"]*\"|'[^']*'|[^\\t\\n\\f\\r \"'=<>`]+))?)*" +
  "[\\t\\n\\f\\r ]*/?>", "iy");
const SCRIPT = [ // plain script text; inside `<!--`; inside `<script` inside `<!--`
  /<!--|<\/script(?=[\t\n\f\r />])/gi,
  /-->|<\/?script(?=[\t\n\f\r />])/gi,
  /-->|<\/script(?=[\t\n\f\r />])/gi,
];

const matchAt = (pattern, text, at) => {
  pattern.lastIndex = at;
  return pattern.exec(text);
};

export class Lexer {
  constructor() {
    this.at = 0;
    this.mode = this.text;
    this.name = "";
    this.closing = this.slash = this.selecting = false;
    this.foreign = new Foreign();
    this.templates = this.depth = 0;
  }

  // Read on to the text's end; [what, where] of what was found, or null once more is needed.
  advance(data) {
    while (this.at < data.length) {
      const { at, mode } = this, found = this.mode(data);
      if (found || (this.at === at && this.mode === mode)) return found;
    }
    return null;
  }

  // Find nothing from here on.
  giveUp() { this.mode = this.rest; }

  get gaveUp() { return this.mode === this.rest; }

  // --- text and what begins with "<" --------------------------------------------

  text(data) {
    for (let moved = true; moved;) {
      moved = this.pass(TEXT, data);
      if (!this.foreign.isOpen && this.pass(EVERYDAY, data)) moved = true;
    }
    return this.at < data.length ? this.lessThan(data) : null;
  }

  pass(pattern, data) {
    const match = matchAt(pattern, data, this.at);
    if (match) this.at = pattern.lastIndex;
    return match !== null;
  }

  lessThan(data) {
    const head = data.slice(this.at, this.at + 9);
    if (head[1] === "!") this.declaration(head);
    else if (/^<\/?[a-z]/i.test(head)) return this.tag(data);
    else if (head[1] === "?" || (head[1] === "/" && head.length > 2)) this.go(2, this.bogus);
    else if (head.length > 1 && head[1] !== "/") this.at++;
    return null;
  }

  declaration(head) {
    if (head.startsWith("<!--")) this.go(4, this.commentStart);
    else if (this.foreign.isOpen && "<![CDATA[".startsWith(head)) {
      if (head.length === 9) this.go(9, this.cdata);
    } else if (!"<!--".startsWith(head)) this.go(2, this.bogus);
  }

  tag(data) {
    this.closing = data[this.at + 1] === "/";
    const begin = this.at + 1 + this.closing;
    matchAt(TAG_NAME, data, begin);
    const end = Math.min(TAG_NAME.lastIndex, begin + NAME_LIMIT + 1);
    if (end === data.length && end - begin <= NAME_LIMIT) return null; // the name may go on
    this.name = data.slice(begin, end).toLowerCase();
    const start = this.at;
    this.at = end;
    this.slash = false;
    this.mode = this.inName;
    if (this.foreign.isOpen) this.inForeign();
    else if (this.name === SLOT && this.selecting) this.giveUp();
    if (this.name !== SLOT || this.foreign.isOpen || this.gaveUp) return null;
    return [this.closing ? END : START, start];
  }

  // What a tag means within SVG or MathML, as far as its name tells.
  inForeign() {
    const known = this.name.length <= NAME_LIMIT &&
      (this.closing ? this.foreign.end(this.name) : this.foreign.begin(this.name));
    if (!known) this.giveUp();
  }

  // --- inside a tag -------------------------------------------------------------

  inName(data) {
    this.pass(TAG_NAME, data);
    if (this.at < data.length) this.mode = this.inTag;
    return null;
  }

  // Between attributes.
  inTag(data) {
    const char = data[this.at++];
    if (char === ">") return this.tagEnds();
    this.slash = char === "/";
    if (!this.slash && !"\t\n\f\r ".includes(char)) this.mode = this.attribute;
    return null;
  }

  attribute(data) { return this.upTo(NAME_END, data, this.afterAttribute); }

  afterAttribute(data) {
    if (!this.passSpaces(data)) return null;
    if (data[this.at] === "=") this.go(1, this.value);
    else this.mode = this.inTag;
    return null;
  }

  value(data) {
    if (!this.passSpaces(data)) return null;
    const char = data[this.at];
    if (char === '"') this.go(1, this.doubleQuoted);
    else if (char === "'") this.go(1, this.singleQuoted);
    else this.mode = char === ">" ? this.inTag : this.unquoted;
    return null;
  }

  doubleQuoted(data) { return this.through('"', data, this.inTag); }

  singleQuoted(data) { return this.through("'", data, this.inTag); }

  unquoted(data) { return this.upTo(VALUE_END, data, this.inTag); }

  tagEnds() {
    this.mode = this.afterTag();
    if (this.name !== SLOT || this.foreign.isOpen) return null;
    return [this.closing ? ENDED : STARTED, this.at];
  }

  afterTag() {
    if (this.foreign.isOpen || (FOREIGN.includes(this.name) && !this.closing)) return this.afterForeignTag();
    if (SPECIAL.includes(this.name)) return this.afterSpecialTag();
    if (this.closing) return this.text;
    if (this.name === "plaintext") return this.rest;
    this.depth = 0;
    if (!RAW_END.has(this.name)) return this.text;
    return this.selecting && this.name !== "script" ? this.rest : this.raw;
  }

  afterForeignTag() {
    if (this.selecting) return this.rest;
    return !this.closing && !this.slash && !this.foreign.enter(this.name) ? this.rest : this.text;
  }

  afterSpecialTag() {
    const { name, closing } = this;
    if (name === "select") this.selecting = !closing;
    else if (name === "template") this.templates = Math.max(0, this.templates + (closing ? -1 : 1));
    const unsure = name === "frameset" || (name === "template" && this.selecting) ||
      (name === "col" && this.templates > 0);
    return unsure && !closing ? this.rest : this.text;
  }

  // --- text without tags ----------------------------------------------------------

  raw(data) {
    const isScript = this.name === "script";
    const match = matchAt(isScript ? SCRIPT[this.depth] : RAW_END.get(this.name), data, this.at);
    // The longest beginning of a match that may stand at the end is kept.
    if (!match) this.at = Math.max(this.at, data.length - this.name.length - 2);
    else if (!isScript || !this.scriptGoesOn(match)) {
      this.at = match.index;
      this.mode = this.text;
    }
    return null;
  }

  // Whether a mark in a script does not end it; its dashes may be part of the next one.
  scriptGoesOn({ 0: found, index }) {
    const mark = found.toLowerCase();
    if (mark === "</script" && this.depth < 2) return false;
    this.depth = { "<!--": 1, "-->": 0, "<script": 2, "</script": 1 }[mark];
    this.at = mark === "<!--" ? index + 2 : index + mark.length;
    return true;
  }

  rest(data) {
    this.at = data.length;
    return null;
  }

  // `<!-->` and `<!--->` are whole comments.
  commentStart(data) {
    const head = data.slice(this.at, this.at + 2);
    if (head[0] === ">") this.go(1, this.text);
    else if (head === "->") this.go(2, this.text);
    else if (head !== "-") this.mode = this.comment;
    return null;
  }

  comment(data) {
    const match = matchAt(COMMENT_END, data, this.at);
    if (match) this.go(match.index + match[0].length - this.at, this.text);
    else this.at = Math.max(this.at, data.length - 3);
    return null;
  }

  bogus(data) { return this.through(">", data, this.text); }

  cdata(data) { return this.through("]]>", data, this.text); }

  // --- moving on --------------------------------------------------------------------

  go(count, mode) {
    this.at += count;
    this.mode = mode;
  }

  upTo(pattern, data, mode) {
    const match = matchAt(pattern, data, this.at);
    this.at = match ? match.index : data.length;
    if (match) this.mode = mode;
    return null;
  }

  // Whether something follows the white space.
  passSpaces(data) {
    const match = matchAt(NOT_SPACE, data, this.at);
    this.at = match ? match.index : data.length;
    return match !== null;
  }

  through(mark, data, mode) {
    const end = data.indexOf(mark, this.at);
    if (end < 0) this.at = Math.max(this.at, data.length - mark.length + 1);
    else this.go(end + mark.length - this.at, mode);
    return null;
  }
}
