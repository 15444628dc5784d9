// Errors over HTTP, and the closed list of their types: edge/problems.py has the same, which a test
// holds.

export const PROBLEM_TYPE = "application/problem+json";
export const PLACE = "/_proffer/problems/";
export const NO_STORE = ["cache-control", "private, no-store"];

// name -> [title, status, help]
export const PROBLEMS = {
  "malformed-request": [
    "The request cannot be read", 400,
    "Correct what the detail names; nothing was asked.",
  ],
  "request-json": [
    "The body is no JSON object", 400,
    "Send one JSON object in UTF-8, well-formed.",
  ],
  "request-field": [
    "A field of the request is wrong", 400,
    "Correct the field that the detail names.",
  ],
  "request-size": [
    "The request holds too much", 400,
    "Send less; the detail names the limit.",
  ],
  "request-encoding": [
    "The request cannot be encoded", 400,
    "Correct what the detail names.",
  ],
  "session": [
    "The session token does not count", 400,
    "Let the shop's server make a new one, or send the request without `session`.",
  ],
  "batch": [
    "The body is no batch of events", 400,
    "Send a JSON array of CloudEvents.",
  ],
  "no-event": [
    "No event of the batch is good", 400,
    "Correct the events; as they are they never pass.",
  ],
  "metrics": [
    "This is not for everybody", 403,
    "Send the metrics_token of the edge's secrets as a Bearer token.",
  ],
  "not-found": [
    "There is nothing at this address", 404,
    "Look at docs/reference/edge-http.md for what there is.",
  ],
  "method-not-allowed": [
    "This address does not take that method", 405,
    "The header Allow names those it takes.",
  ],
  "request-timeout": [
    "The request took too long to come", 408,
    "Send it again, in one go.",
  ],
  "too-large": [
    "The request is too large", 413,
    "Send less at once; the detail names the limit.",
  ],
  "wrong-type": [
    "The content type is not the right one", 415,
    "Send the content type that the detail names.",
  ],
  "internal": [
    "Something of ours broke", 500,
    "Try again; the edge's log tells what happened.",
  ],
  "refused": [
    "The control plane does not take these events", 502,
    "Do not send them again; the edge's log tells why.",
  ],
  "origin-unreachable": [
    "The shop cannot be reached", 502,
    "Try again; the edge's log tells what happened.",
  ],
  "unavailable": [
    "Nothing can be stored right now", 503,
    "Keep the events and send them again after Retry-After seconds.",
  ],
  "stopping": [
    "This edge is being stopped", 503,
    "Send the request again; another edge will answer.",
  ],
  "origin-timeout": [
    "The shop took too long to answer", 504,
    "Try again; the edge's log tells what happened.",
  ],
};

// A request that is answered with a problem: what happened, where, what to do.
export class Problem extends Error {
  constructor(type, detail, headers = []) {
    super(detail);
    this.name = "Problem";
    this.type = type;
    this.detail = detail;
    this.headers = headers;
  }

  get title() { return PROBLEMS[this.type][0]; }

  get status() { return PROBLEMS[this.type][1]; }

  answer() {
    const { type, title, status, detail } = this, [, , help] = PROBLEMS[type];
    const headers = [["content-type", PROBLEM_TYPE], NO_STORE, ...this.headers];
    return new Response(JSON.stringify({ type: PLACE + type, title, status, detail, help }), { status, headers });
  }
}

export const tooLarge = (limitBytes) =>
  new Problem("too-large", `The body has more than ${limitBytes} bytes.`, [["connection", "close"]]);
