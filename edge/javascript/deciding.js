// Takes decisions for a visit and keeps the books: verdict, record, token, receipt.  edge/deciding.py.
import { readVerdict } from "../browser/kernel.js";
import * as c from "./columns.js";
import { RequestError } from "./json.js";
import { GLOBAL_HOLDOUT, HOLDOUT, receiptOf, writeReceipt } from "./receipts.js";
import { issueToken } from "./token.js";
import { admit } from "./vouching.js";

const CUSTOMER = 1;
const RECORD_HEADER = 88;

export class Desk {
  // `context`: what app.js makes of the settings.
  constructor(context) { this.context = context; }

  // { decisions, ignored }, logged.  `question`: { placements, taken, byClient, byShop }.  Throws a
  // RequestError for a question that is none; a fault of ours ends in defaults.
  decide(policy, visit, question) {
    const outcome = this.weigh(policy, visit, question);
    this.keep(outcome);
    return outcome;
  }

  // Log what was decided.  Nobody may see an outcome before.
  keep({ decisions, record }) {
    if (record) this.context.outbox.log(decisions[0].decision, record);
  }

  weigh(policy, visit, question) {
    const reason = noDecision(policy, visit);
    if (reason) return defaults(question, reason);
    try {
      return this.answer(policy, visit, question);
    } catch (error) {
      if (error.name === "RequestError") throw ofRequest(error);
      console.error("a decision failed", error);
      return defaults(question, "FAILED");
    }
  }

  answer(policy, visit, question) {
    const bundle = policy.bundleFor(visit.unit);
    const { attributes, ignored } = admit(
      bundle, visit.consent, question.byClient ?? {}, question.byShop ?? {}, visit.observed);
    const { data, unknown_placements } = bundle.policy.encodeHere(fieldsOf(visit, question, attributes));
    const unknown = unknown_placements.map((name) => withoutOffer(name, "UNKNOWN_PLACEMENT"));
    if (unknown.length === question.placements.length) return { decisions: unknown, ignored };
    const verdict = bundle.policy.decideHere(policy.block, data);
    const decided = readVerdict(verdict).map((row) => this.expand(policy, bundle, visit, data, row));
    return {
      decisions: unknown.length ? [...decided, ...unknown] : decided, ignored,
      record: packRecord(bundle.digest, policy.manifest.digest, policy.block, data, verdict),
    };
  }

  expand(policy, bundle, visit, data, row) {
    const shown = bundle.texts.show(policy.block, data, row);
    const expires_s = shown.token_s ? visit.nowS + shown.token_s : null;
    const [kind, subject] = expires_s ? subjectOf(bundle, visit, row) : [null];
    return {
      placement: shown.placement,
      slot: shown.slot,
      decision: shown.decision,
      reason: shown.reason,
      offer: shown.offer,
      rung: shown.rung,
      creative: shown.creative,
      token: expires_s ? this.token(bundle, visit, shown, kind, subject, expires_s) : null,
      subject_kind: kind,
      expires_s,
      disclosure: shown.disclosure,
      track: row.flags & (HOLDOUT | GLOBAL_HOLDOUT) ? "ghost" : "shown",
      receipt: this.receipt(bundle, visit, row, shown.decision),
    };
  }

  token(bundle, visit, shown, subject_kind, subject, expires_s) {
    const { settings, edgeHmac } = this.context;
    return issueToken(edgeHmac, {
      tenant: settings.tenant, id: shown.drawn_by, offer: shown.offer, rung: shown.rung,
      placement: shown.placement, subject, issued_s: visit.nowS, expires_s, bundle: bundle.hex,
      subject_kind,
    });
  }

  receipt(bundle, visit, row, decision) {
    const receipt = visit.visitor ? receiptOf(bundle, row, decision, visit.nowS) : null;
    return receipt ? writeReceipt(this.context.seals, visit.visitor, receipt) : "";
  }
}

// The kernel's own errors have a code and no words.
const ofRequest = (error) =>
  error instanceof RequestError ? error : new RequestError(error.code, WHY[error.code] ?? error.message);

const WHY = {
  FIELD: "a field does not have the form that docs/reference/edge-http.md asks for",
  SIZE: "the encoded request is too large",
  ENCODING: "the request cannot be encoded",
};

// Whom a token is for: the unit that the placement's choice is keyed on.
const subjectOf = (bundle, { consent, visitor, customer, nonce }, row) => {
  if (consent === "contextual" || !(visitor || customer)) return ["page", nonce];
  const byCustomer = bundle.at(c.PLACEMENT_UNIT, row.placement) === CUSTOMER;
  return customer && (byCustomer || !visitor) ? ["customer", customer] : ["visitor", visitor];
};

// Why nothing is decided for anybody, or for this visit; "" otherwise.
export const noDecision = (policy, visit) => {
  if (visit.consent === "none") return "NO_CONSENT";
  if (!policy) return "NO_POLICY";
  return visit.nowS >= policy.manifest.expires_s ? "STALE" : "";
};

export const withoutOffer = (placement, reason) => ({
  placement, slot: 0, decision: "", reason, offer: "", rung: "", creative: {}, token: null,
  subject_kind: null, expires_s: null, disclosure: false, track: "shown", receipt: "",
});

const defaults = (question, reason) =>
  ({ decisions: question.placements.map((name) => withoutOffer(name, reason)), ignored: [] });

export const armOf = ({ offer, rung }) => offer ? `${offer}/${rung}` : "none";

const fieldsOf = (visit, question, attributes) => ({
  visitor: visit.visitor || null,
  customer: visit.customer || null,
  nonce: visit.nonce,
  locale: visit.locale || null,
  consent: visit.consent,
  now_s: visit.nowS,
  placements: question.placements,
  taken: question.taken ?? null,
  attributes,
  state: visit.state,
});

// The verdict in a record.
export const verdictOf = (record) => {
  const size = new DataView(record.buffer, record.byteOffset).getUint32(80, true);
  return record.subarray(record.length - size);
};

// As drawn in edge/decision/beacon.py.
const packRecord = (bundleDigest, manifestDigest, block, request, verdict) => {
  const requestAt = RECORD_HEADER + block.length, verdictAt = requestAt + request.length;
  const bytes = new Uint8Array(verdictAt + verdict.length), view = new DataView(bytes.buffer);
  view.setUint32(0, 0x43525250, true); // "PRRC"
  bytes.set(bundleDigest, 8);
  bytes.set(manifestDigest, 40);
  view.setUint32(72, block.length, true);
  view.setUint32(76, request.length, true);
  view.setUint32(80, verdict.length, true);
  bytes.set(block, RECORD_HEADER);
  bytes.set(request, requestAt);
  bytes.set(verdict, verdictAt);
  return bytes;
};
