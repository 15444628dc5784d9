// json-logic-engine: an expression per offer.  Interpreted (`run`, which caches an
// optimised plan per expression) and compiled (`build`, which generates code: not allowed
// where `eval` is not, as at the edge).
import { LogicEngine } from "json-logic-engine";
import { plain, Reader } from "./facts.mjs";

export class JsonLogic extends Reader {
  constructor(policy, request) {
    super(policy);
    this.engine = new LogicEngine();
    this.rules = policy.offers.map((offer) => expression(offer.rule));
    // 500 new expressions in a row switch its plan cache off: introduce them in between
    const known = this.rules[0], facts = this.read(JSON.parse(request));
    for (const rule of this.rules) {
      this.engine.run(rule, facts);
      this.engine.run(known, facts);
    }
  }

  eligible(facts) {
    const { engine, rules } = this, rows = [];
    for (let row = 0; row < rules.length; row++) if (engine.run(rules[row], facts)) rows.push(row);
    return rows;
  }
}

export class JsonLogicCompiled extends Reader {
  constructor(policy) {
    super(policy);
    const engine = new LogicEngine();
    this.rules = policy.offers.map((offer) => engine.build(expression(offer.rule)));
  }

  eligible(facts) {
    const { rules } = this, rows = [];
    for (let row = 0; row < rules.length; row++) if (rules[row](facts)) rows.push(row);
    return rows;
  }
}

export function expression(rule) {
  return { and: rule.map((constraint) => {
    const positive = tested(constraint);
    return constraint.negated ? { "!": [positive] } : positive;
  }) };
}

const STRICT = { "==": "===", "!=": "!==" };

function tested({ attribute, test, values }) {
  const read = { var: plain(attribute) }, [value] = values;
  if (test === "in") return { in: [read, values] };
  if (test === "holds") return { in: [value, read] };
  if (typeof value === "boolean") return value ? read : { "!": [read] };
  return { [STRICT[test] ?? test]: [read, value] };
}
