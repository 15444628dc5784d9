// The open elements of SVG and MathML, as far as they decide how the bytes in them are read:
// edge/foreign.py, which says why.

const DEPTH_LIMIT = 256;
const words = (text) => new Set(text.split(" "));
const SWITCHES = words("foreignobject desc title mi mo mn ms mtext annotation-xml");
const BREAKOUT = words("b big blockquote body br center code dd div dl dt em embed h1 h2 h3 h4 h5 h6 head hr i " +
  "img li listing menu meta nobr ol p pre ruby s small span strong strike sub sup table tt u ul var");
const UNSURE = words("font");

// `open`: names of the open elements in lower case, the outermost first.
export class Foreign {
  constructor() { this.open = []; }

  get isOpen() { return this.open.length > 0; }

  // A start tag begins; whether its meaning is known.
  begin(name) {
    if (SWITCHES.has(this.open.at(-1)) || UNSURE.has(name)) return false;
    if (BREAKOUT.has(name)) this.open = [];
    return true;
  }

  // A start tag ended that opened an element here.
  enter(name) { return this.open.push(name) <= DEPTH_LIMIT; }

  // An end tag: it closes the innermost element of its name, and all in that.
  end(name) {
    const at = this.open.lastIndexOf(name);
    if (at >= 0) this.open.length = at;
    return at >= 0;
  }
}
