// What OpenFeature's stock SDKs and OFREP providers make of an edge: told as one line of JSON.
//
//     node openfeature.mjs <edge's URL> <shop's key>
//
// Standard input is where the caller says "published" once the policy has changed.

import { OFREPProvider } from "@openfeature/ofrep-provider";
import { OFREPWebProvider } from "@openfeature/ofrep-web-provider";
import { OpenFeature as Server } from "@openfeature/server-sdk";
import { OpenFeature as Web, ProviderEvents } from "@openfeature/web-sdk";

const [baseUrl, shopKey] = process.argv.slice(2);
const OWN = { headline: "our own" };
const told = {};

function say() {
  process.stdout.write(`${JSON.stringify(told)}\n`);
}

function plain({ value, variant, reason, flagMetadata, errorCode }) {
  return { value, variant, reason, metadata: flagMetadata, errorCode };
}

// --- a server of the shop, and somebody who claims to be one -----------------------------

async function server(domain, headers) {
  await Server.setProviderAndWait(domain, new OFREPProvider({ baseUrl, headers }));
  const client = Server.getClient(domain);
  const gold = { targetingKey: "visitor-1", "customer.tier": "gold", cart: { total: 120.5 } };
  return {
    offer: plain(await client.getObjectDetails("hero", OWN, gold)),
    arm: plain(await client.getStringDetails("hero.arm", "own", gold)),
    heldOut: plain(await client.getStringDetails("held.arm", "own", gold)),
    unknown: plain(await client.getObjectDetails("nowhere", OWN, gold)),
    wrongType: plain(await client.getBooleanDetails("hero", false, gold)),
    noKey: plain(await client.getObjectDetails("hero", OWN, {})),
  };
}

told.shop = await server("shop", [["Authorization", `Bearer ${shopKey}`]]);
told.claimed = await server("claimed", []);
told.wrong = await server("wrong", [["X-API-Key", "guessed"]]);

// --- a page -------------------------------------------------------------------------------

const statuses = [];

async function listening(input, init) {
  const answer = await fetch(input, init);
  statuses.push(answer.status);
  return answer;
}

const provider = new OFREPWebProvider({
  baseUrl,
  cacheMode: "disabled",
  pollInterval: 100,
  fetchImplementation: listening,
});
await Web.setProviderAndWait(provider, { targetingKey: "visitor-2" });
const client = Web.getClient();

async function until(condition) {
  for (let left = 100; !condition(); left -= 1) {
    if (left === 0) throw new Error(`it did not become true: ${statuses}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

told.web = {
  offer: plain(client.getObjectDetails("hero", OWN)),
  arm: plain(client.getStringDetails("hero.arm", "own")),
  heldOut: plain(client.getObjectDetails("held", OWN)),
  unknown: plain(client.getObjectDetails("nowhere", OWN)),
};
await until(() => statuses.length >= 3);
told.polled = statuses.slice(0, 3);
told.offerWhilePolling = plain(client.getObjectDetails("hero", OWN));

await Web.setContext({ targetingKey: "visitor-3" });
told.otherVisitor = plain(client.getObjectDetails("hero", OWN));

let changed = false;
client.addHandler(ProviderEvents.ConfigurationChanged, () => (changed = true));
say(); // "I am ready for another policy"
await new Promise((done) => process.stdin.once("data", done));
await until(() => changed);
told.changed = plain(client.getObjectDetails("hero", OWN));
await Web.close();
await Server.close();
say();
process.exit(0);
