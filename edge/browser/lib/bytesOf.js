// The bytes that a base64 text stands for; throws for a text that is none.  A first paint may wait for
// this, so it is the browser's own where there is one, and else a plain loop.
const decode = (base64) => {
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
};

export const bytesOf = (base64) => Uint8Array.fromBase64?.(base64) ?? decode(base64);
