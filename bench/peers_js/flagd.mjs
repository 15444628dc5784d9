// flagd: its evaluator as it runs inside a process, a flag per offer with targeting; "which flags
// are on?".  One call per flag was faster than `resolveAll`, which collects details of all.
import { createRequire } from "node:module";
import { Reader } from "./facts.mjs";
import { expression } from "./jsonlogic.mjs";

const { FlagdCore } = createRequire(import.meta.url)("@openfeature/flagd-core");
const SILENT = { error() {}, warn() {}, info() {}, debug() {} };

export class Flagd extends Reader {
  constructor(policy) {
    super(policy);
    this.ids = policy.offers.map((offer) => offer.id);
    const flags = Object.fromEntries(policy.offers.map(({ id, rule }) => [id, {
      state: "ENABLED",
      variants: { on: true, off: false },
      defaultVariant: "off",
      targeting: { if: [expression(rule), "on", "off"] },
    }]));
    this.core = new FlagdCore(undefined, SILENT);
    this.core.setConfigurations(JSON.stringify({ flags }));
  }

  eligible(facts) {
    const { core, ids } = this, rows = [];
    for (let row = 0; row < ids.length; row++)
      if (core.resolveBooleanEvaluation(ids[row], false, facts, SILENT).value) rows.push(row);
    return rows;
  }
}
