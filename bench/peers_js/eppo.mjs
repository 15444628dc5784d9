// Eppo: a flag per offer, with one allocation and one rule; "which flags assign?".
//
// The SDK has no set attributes.  A set goes in as one text, ",a,b,", and membership is
// MATCHES; the alternative, a boolean attribute per word, is slower, since the SDK copies
// all attributes for every flag.
//
// The client is the one that @eppo/node-server-sdk sets up (same parts, same settings but
// assignment logging), with the configuration put into its store instead of fetched.
import { createRequire } from "node:module";
import { plain, Reader } from "./facts.mjs";

const require = createRequire(import.meta.url);
const { EppoClient, MemoryOnlyConfigurationStore } = require("@eppo/js-client-sdk-common");

const OPERATORS = { "<": "LT", "<=": "LTE", ">": "GT", ">=": "GTE" };

export class Eppo extends Reader {
  constructor(policy) {
    super(policy);
    this.rows = new Map(policy.offers.map((offer, row) => [offer.id, row]));
    this.sets = this.types.filter(([, , type]) => type === "set").map(([, key]) => key);
    const flags = Object.fromEntries(policy.offers.map((offer) => [offer.id, flag(offer)]));
    const store = new MemoryOnlyConfigurationStore();
    store.setEntries(flags);
    store.setFormat?.("SERVER");
    this.client = new EppoClient({ flagConfigurationStore: store });
  }

  read(request) {
    const facts = super.read(request);
    for (const key of this.sets) facts[key] = `,${facts[key].join(",")},`;
    return facts;
  }

  eligible(facts) {
    const assigned = this.client.getAllAssignments(facts.visitor, facts);
    return Object.keys(assigned).map((id) => this.rows.get(id));
  }
}

function flag({ id, rung, rule }) {
  return {
    key: id,
    enabled: true,
    variationType: "STRING",
    variations: { [rung]: { key: rung, value: rung } },
    allocations: [{
      key: `allocation-${id}`,
      rules: [{ conditions: rule.map(condition) }],
      splits: [{ variationKey: rung, shards: [] }],
      doLog: false,
    }],
    totalShards: 10000,
  };
}

function condition({ attribute, test, values, negated }) {
  const name = plain(attribute);
  if (test === "holds") {
    return { attribute: name, operator: negated ? "NOT_MATCHES" : "MATCHES", value: `,${values[0]},` };
  }
  if (OPERATORS[test]) return { attribute: name, operator: OPERATORS[test], value: values[0] };
  const oneOf = (test !== "!=") !== negated;
  return { attribute: name, operator: oneOf ? "ONE_OF" : "NOT_ONE_OF", value: values.map(String) };
}
