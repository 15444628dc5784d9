// Scoring and choosing as `edge/decision` defines them, to the last ticket: a scorecard
// with link `logistic`, guardrail, inverse gap over none and the 31 best, SHA-256 draw.
import { createHash } from "node:crypto";
import { plain } from "./facts.mjs";

const T = 2 ** 20, Q24 = 2 ** 24, LIMIT = 2 ** 24;
const BASE = 0, SENSITIVITY = 1, ARM = 2;

export class Choosing {
  constructor(policy) {
    this.policy = policy;
    const arms = policy.offers.map((offer) => offer.arm);
    this.bias = Int32Array.from(arms, (arm) => arm.bias);
    this.depth = Int32Array.from(arms, (arm) => arm.depth);
    this.rate = Int32Array.from(arms, (arm) => arm.rate_ppm);
    this.most = Float64Array.from(arms, (arm) => arm.most_micros);
    this.ceiling = Float64Array.from(arms, (arm) => arm.ceiling_micros);
    this.handling = Float64Array.from(arms, (arm) => arm.handling_micros);
    this.response = Int32Array.from(policy.response);
    const terms = (role) => policy.terms.filter((term) => term.role === role).map(prepared);
    [this.base, this.sensitivity, this.own] = [terms(BASE), terms(SENSITIVITY), terms(ARM)];
  }

  score(facts, rows) {
    const { policy, response, own } = this;
    const unit = policy.score_unit, value = facts.cart_total * 10000;
    const minor = Math.floor(value / policy.minor_micros);
    const share = Math.floor((minor * policy.margin_ppm) / 1e6) * policy.minor_micros;
    const margin = Math.floor(share / unit);
    let shared = policy.constant, sensitivity = 0;
    for (const term of this.base) shared += term.shared[term.bin(facts)];
    for (const term of this.sensitivity) sensitivity += term.shared[term.bin(facts)];
    const bins = own.map((term) => term.bin(facts));
    const none = response[clamp(shared + 512, 0, 1023)] * margin;
    const found = [];
    for (const row of rows) {
      const percent = Math.floor((minor * this.rate[row] * 2 + 1e6) / 2e6) * policy.minor_micros;
      const incentive = Math.min(percent, this.most[row], value);
      if (incentive > this.ceiling[row]) continue;
      let logit = shared + Math.floor((sensitivity * this.depth[row]) / 256) + this.bias[row];
      for (let i = 0; i < own.length; i++) logit += own[i].own[row * own[i].bins + bins[i]];
      const cost = Math.floor(incentive / unit) + Math.floor(this.handling[row] / unit);
      const gain = response[clamp(logit + 512, 0, 1023)] * (margin - cost) - none;
      const score = clamp(Math.floor(gain / 65536), -LIMIT, LIMIT);
      if (score >= -policy.loss) found.push([row + 1, score]);
    }
    return found;
  }

  choose(scored, ticket) {
    if (!scored.length) return [0, [], []];
    const { policy } = this;
    const best = scored.sort((a, b) => b[1] - a[1] || a[0] - b[0]).slice(0, 31);
    const arms = [[0, 0], ...best.sort((a, b) => a[0] - b[0])], count = arms.length;
    let top = 0;
    for (let i = 1; i < count; i++) if (arms[i][1] > arms[top][1]) top = i;
    const floor = Math.min(policy.floor, Math.floor(T / count)), highest = arms[top][1];
    const shares = arms.map(([, score]) =>
      Math.max(floor, Math.floor((T * Q24) / (count * Q24 + policy.gamma * (highest - score)))));
    shares[top] = 0;
    shares[top] = T - shares.reduce((sum, share) => sum + share, 0);
    let at = 0;
    while (ticket >= shares[at]) ticket -= shares[at++];
    return [arms[at][0], arms.map(([arm]) => arm), shares];
  }

  ticket({ visitor, nonce, now_s }) {
    const { place, salt, epoch_s } = this.policy;
    const epoch = Math.floor((now_s + (word("epoch", place, salt, visitor) % epoch_s)) / epoch_s);
    return word("choose", place, salt, visitor, String(epoch), nonce) >>> 12;
  }
}

const clamp = (value, low, high) => Math.max(low, Math.min(high, value));

const word = (...parts) => createHash("sha256").update(parts.join("\x1f")).digest().readUInt32BE(0);

// A term with its weights in typed arrays and a function from facts to bin.
function prepared(term) {
  const bins = term.own.length ? term.own[0].length : term.shared.length;
  return {
    bin: binOf(term),
    bins,
    shared: Int32Array.from(term.shared),
    own: Int32Array.from(term.own.flat()),
  };
}

function binOf({ attribute, cuts, values, crossed, width }) {
  const key = plain(attribute), other = plain(crossed);
  if (cuts.length) {
    return (facts) => {
      let bin = 0;
      while (bin < cuts.length && facts[key] >= cuts[bin]) bin++;
      return bin;
    };
  }
  if (!values.length) return (facts) => Number(facts[key]);
  const index = new Map(values.map((value, i) => [value, i]));
  const left = (facts) => index.get(facts[key]) ?? values.length;
  return crossed ? (facts) => left(facts) * width + Number(facts[other]) : left;
}
