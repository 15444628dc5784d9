// Where signed files come from: an R2 bucket, a KV namespace, or an address.  All have the paths of
// the object store.  None is trusted: what they give is verified by whoever asks.
import { describe, readAll, within } from "./waiting.js";

const PATIENCE_S = 10; // for one file, whole: a body that drips must not hold a refresh

// The home could not do it; trying again later may help.
export class HostError extends Error {}

// There is no such file, which ends a chain of roots and is no fault of the network.
export class NotFound extends HostError {}

// A function (path, maxBytes) -> bytes.  Throws a HostError.
export const sourceOf = (env, controlUrl) => {
  const fetchFile = env.POLICY_BUCKET ? (path, max) => fromBucket(env.POLICY_BUCKET, path, max)
    : env.POLICY_KV ? (path, max) => fromNamespace(env.POLICY_KV, path, max)
      : (path, max) => fromAddress(controlUrl, path, max);
  return async (path, maxBytes) => {
    try {
      return await within(PATIENCE_S, fetchFile(path, maxBytes));
    } catch (error) {
      if (error instanceof HostError) throw error;
      throw new HostError(`${path}: ${describe(error)}`);
    }
  };
};

const readFile = (stream, path, maxBytes) => readAll(stream, maxBytes, () => {
  throw new HostError(`${path} has more than ${maxBytes} bytes`);
});

const fromBucket = async (bucket, path, maxBytes) => {
  const found = await bucket.get(path);
  if (!found) throw new NotFound(`there is no ${path} in the bucket`);
  return readFile(found.body, path, maxBytes);
};

// KV's own caches keep a file, and also its absence, for a minute.
const fromNamespace = async (namespace, path, maxBytes) => {
  const found = await namespace.get(path, "stream");
  if (!found) throw new NotFound(`there is no ${path} in the namespace`);
  return readFile(found, path, maxBytes);
};

const fromAddress = async (controlUrl, path, maxBytes) => {
  if (!controlUrl) throw new HostError("no control plane: PROFFER_CONTROL_URL is not set");
  const answer = await fetch(`${controlUrl}/v1/${path}`, { redirect: "manual" });
  if (answer.status === 404) {
    await answer.body?.cancel();
    throw new NotFound(`there is no ${path}`);
  }
  if (answer.status !== 200 || !answer.body) {
    await answer.body?.cancel();
    throw new HostError(`${path}: the answer is a ${answer.status}`);
  }
  return readFile(answer.body, path, maxBytes);
};
