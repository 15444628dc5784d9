// The scripts that the edge serves to pages: edge/scripts.py.  Platforms compress what they send.
import { toHex, utf8 } from "./hashing.js";

export const PAGE_SCRIPT = "page.js";
const PAGE_SCRIPT_LIFE_S = 3600, FOR_EVER_S = 31_536_000, NAME_DIGITS = 16;

export class Scripts {
  // `texts`: { "page.js", "first", "first-plain" }.  Hashes are made when first asked for: no decision
  // waits for them.
  constructor(texts, hasher) {
    this.texts = texts;
    this.hasher = hasher;
  }

  get served() {
    const served = new Map(Object.entries(this.texts).map(([source, text]) => {
      const digest = toHex(this.hasher.sha256(utf8(text))), stays = source === PAGE_SCRIPT;
      const life = stays ? `${PAGE_SCRIPT_LIFE_S}` : `${FOR_EVER_S}, immutable`;
      const name = stays ? source : `${source}.${digest.slice(0, NAME_DIGITS)}.js`;
      return [name, { text, etag: `"${digest.slice(0, 32)}"`, cacheControl: `public, max-age=${life}` }];
    }));
    Object.defineProperty(this, "served", { value: served });
    return served;
  }

  // Whether a name below /_proffer/ may be a script's.
  has(name) { return name.endsWith(".js") && this.served.has(name); }

  answer(request, name) {
    const { text, etag, cacheControl } = this.served.get(name);
    const isKnown = (request.headers.get("if-none-match") ?? "").includes(etag); // in a list, or made weak
    const headers = {
      "content-type": "text/javascript; charset=utf-8", "cache-control": cacheControl, etag,
      vary: "accept-encoding", "x-content-type-options": "nosniff",
    };
    return new Response(isKnown ? null : text, { status: isKnown ? 304 : 200, headers });
  }
}
