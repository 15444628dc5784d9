// What a careful programmer writes by hand without an index: rules as flat arrays of tests, all
// offers asked in turn, no code generated.
import { plain, Reader } from "./facts.mjs";

const KINDS = ["is", "one", "less", "most", "more", "least", "in", "holds"];
const OF = { "==": "one", "!=": "one", "<": "less", "<=": "most", ">": "more", ">=": "least", in: "in", holds: "holds" };

export class Scan extends Reader {
  constructor(policy) {
    super(policy);
    this.names = [...this.types.map(([, key]) => key), ...this.ages.map(([key]) => key)];
    this.values = new Array(this.names.length);
    this.rules = policy.offers.map(({ rule }) => rule.map((constraint) => this.test(constraint)));
  }

  test({ attribute, test, values, negated }) {
    const flag = typeof values[0] === "boolean", kind = flag ? "is" : OF[test];
    return {
      at: this.names.indexOf(plain(attribute)),
      kind: KINDS.indexOf(kind),
      value: values[0],
      set: kind === "in" ? new Set(values) : null,
      wanted: negated === (test === "!="),
    };
  }

  eligible(facts) {
    const { names, values, rules } = this, rows = [];
    for (let i = 0; i < names.length; i++) values[i] = facts[names[i]];
    for (let row = 0; row < rules.length; row++) {
      const tests = rules[row];
      let i = 0;
      while (i < tests.length && holds(tests[i], values[tests[i].at])) i++;
      if (i === tests.length) rows.push(row);
    }
    return rows;
  }
}

function holds({ kind, value, set, wanted }, fact) {
  switch (kind) {
    case 0: case 1: return (fact === value) === wanted;
    case 2: return (fact < value) === wanted;
    case 3: return (fact <= value) === wanted;
    case 4: return (fact > value) === wanted;
    case 5: return (fact >= value) === wanted;
    case 6: return set.has(fact) === wanted;
    default: return fact.includes(value) === wanted;
  }
}
