// A believed bundle, opened: what decides by it, and what its tables and notes say.
import { KeptTexts } from "./texts.js";
import { Notes } from "../browser/notes.js";
import * as c from "./columns.js";
import { toHex } from "./hashing.js";

const PAGE = "page"; // what notes leave out

export class Bundle {
  // `policy`: as Kernel.open gives it.  Throws an Error named BundleError.
  constructor(policy) {
    this.policy = policy;
    this.names = policy.names;
    this.texts = new KeptTexts(policy);
    this.channels = new Channels(this.names.columns[c.NOTES] ?? new Uint8Array(0)).channels ?? [];
    this.digest = this.texts.digest;
    this.hex = toHex(this.digest);
  }

  at(column, row) { return this.names.at(column, row); }

  list(column) { return this.names.list(column).map(Number); }

  // Rows of what a request may name; undefined for others.
  attributeRow(name) { return this.names.attributes.get(name); }

  placementRow(name) { return this.names.placements.get(name); }

  channelOf(row) { return this.channels[row] ?? PAGE; }

  // Names of the placements of pages, in the order in which they are decided.
  get pagePlacements() {
    return [...this.names.placements].filter(([, row]) => this.channelOf(row) === PAGE).map(([name]) => name);
  }
}

// Of the notes, only where each placement is shown.
class Channels extends Notes {
  readTop() {
    this.at = 0;
    this.channels = [];
    this.fields((name) => {
      if (name === "placements") this.list(() => this.channels.push(this.readChannel()));
      else this.skip();
    });
  }

  readChannel() {
    let channel = PAGE;
    this.fields((name) => {
      if (name === "channel") channel = this.string();
      else this.skip();
    });
    return channel;
  }
}
