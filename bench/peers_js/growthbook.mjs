// GrowthBook: a feature per offer, with one conditional rule; "which features are on?".
// Fastest shape we found: the multi-user client, one user context per request, conditions
// merged per attribute without $and, `$in` on arrays instead of `$elemMatch`.
import { GrowthBookClient } from "@growthbook/growthbook";
import { plain, Reader } from "./facts.mjs";

const OPERATORS = { "==": "$eq", "!=": "$ne", "<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte" };

export class GrowthBookFlags extends Reader {
  constructor(policy) {
    super(policy);
    const features = Object.fromEntries(policy.offers.map(({ id, rung, rule }) => [
      id, { defaultValue: null, rules: [{ id: `rule-${id}`, condition: condition(rule), force: rung }] },
    ]));
    this.client = new GrowthBookClient().initSync({ payload: { features } });
    this.ids = policy.offers.map((offer) => offer.id);
  }

  eligible(facts) {
    const { client, ids } = this, user = { attributes: facts }, rows = [];
    for (let row = 0; row < ids.length; row++) if (client.isOn(ids[row], user)) rows.push(row);
    return rows;
  }
}

function condition(rule) {
  const merged = {}, rest = [];
  for (const constraint of rule) {
    const key = plain(constraint.attribute), test = tested(constraint), before = merged[key];
    if (before === undefined) merged[key] = test;
    else if (isObject(before) && isObject(test) && !Object.keys(test).some((o) => o in before)) {
      Object.assign(before, test);
    } else rest.push({ [key]: test });
  }
  return rest.length ? { ...merged, $and: rest } : merged;
}

const isObject = (value) => typeof value === "object";

function tested({ test, values, negated }) {
  const [value] = values;
  if (test === "in" || test === "holds") return { [negated ? "$nin" : "$in"]: values };
  if (typeof value === "boolean") return value !== negated;
  return test === "==" ? value : { [OPERATORS[test]]: value };
}
