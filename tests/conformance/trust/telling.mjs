// Tells the trust vectors to the edge in JavaScript: `edge/javascript/policies.js`, over
// `edge/browser/trust.js` and the kernel.  The same module serves Node and a browser's page.
import { Hasher } from "../../../edge/javascript/hashing.js";
import { Policies } from "../../../edge/javascript/policies.js";
import { HostError, sourceOf } from "../../../edge/javascript/sources.js";
import { TooLate, within } from "../../../edge/javascript/waiting.js";
import { Kernel } from "../../../edge/browser/kernel.js";

const NOWHERE = "http://127.0.0.1:9";
const encoder = new TextEncoder();

const bytesOf = ({ base64, text = "", repeat = "", times = 0, end = "" }) => base64 !== undefined
  ? Uint8Array.from(atob(base64), (char) => char.charCodeAt(0))
  : encoder.encode(text + repeat.repeat(times) + end);

// asked: {address, patience_s, at_once, vectors}; the outcomes of every vector, by its id.
export async function tellAll(asked, module) {
  const { tenant, channel, files, vectors } = asked.vectors;
  const kernel = new Kernel(module), told = {}, waiting = [...vectors];

  const tell = async ({ id, pinned, steps }) => {
    const kept = new Map(), outcomes = [];
    let policies, source, step;
    const fetchFile = async (path, maxBytes) => {
      try {
        return await within(asked.patience_s, source(path, maxBytes));
      } catch (error) {
        throw error instanceof TooLate ? new HostError(`${path}: ${error.message}`) : error;
      }
    };
    const keeper = {
      async load(path) { return kept.get(path) ?? null; },
      async save(path, bytes) { kept.set(path, bytes); },
    };
    for ([, step] of steps.entries()) {
      const index = outcomes.length;
      for (const [path, name] of Object.entries(step.kept ?? {})) kept.set(path, bytesOf(files[name]));
      source = sourceOf({}, step.down ? NOWHERE : `${asked.address}/${id}/${index}`);
      if (policies && !step.restart) {
        await policies.refresh();
        outcomes.push(outcomeOf(policies));
        continue;
      }
      policies = new Policies({
        settings: { tenant, channel, pinnedRoot: bytesOf(files[pinned]) },
        hasher: new Hasher(module), kernel, fetchFile, keeper, nowS: () => step.now_s,
      });
      outcomes.push(await begin(policies));
    }
    return outcomes;
  };

  const teller = async () => {
    for (let vector; (vector = waiting.shift());) told[vector.id] = await tell(vector);
  };
  await Promise.all(Array.from({ length: asked.at_once }, teller));
  return told;
}

async function begin(policies) {
  try {
    await policies.open();
  } catch (error) {
    if (!error.code) throw error;
    return { runs: null, refused: error.code, unreachable: false };
  }
  return outcomeOf(policies);
}

function outcomeOf({ current, story }) {
  const runs = current && {
    epoch: current.manifest.epoch, sequence: current.manifest.sequence,
    bundles: current.manifest.releases.map((release) => release.bundle),
  };
  return { runs, refused: story.refused?.code ?? "", unreachable: Boolean(story.unreachable) };
}
