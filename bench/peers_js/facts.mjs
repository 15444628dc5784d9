// A request as all of these engines read it: flat, without dots in names, money in cents,
// ages in seconds.  Names are made once.
export const plain = (name) => name.replace(/[^a-z0-9]+/g, "_").replace(/_$/, "");

export class Reader {
  constructor(policy) {
    this.types = Object.entries(policy.types).map(([name, type]) => [name, plain(name), type]);
    this.ages = Object.entries(policy.ages).map(([name, stamp]) => [plain(name), stamp]);
  }

  read(request) {
    const { attributes, visitor, nonce, now_s } = request;
    const facts = { visitor, nonce, now_s };
    for (const [name, key, type] of this.types) {
      const value = attributes[name];
      facts[key] = type === "decimal" ? Math.round(Number(value) * 100) : value;
    }
    for (const [key, stamp] of this.ages) facts[key] = now_s - attributes[stamp];
    return facts;
  }
}
