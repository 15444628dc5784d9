// Patience: nothing that is waited for is waited for without end.

export class TooLate extends Error {
  constructor(seconds) {
    super(`it took longer than ${seconds} s`);
    this.name = "TooLate";
  }
}

export const sleep = (seconds) => new Promise((resolve) => { setTimeout(resolve, 1000 * seconds); });

// What the promise gives, or TooLate.
export const within = async (seconds, promise) => {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new TooLate(seconds)), 1000 * seconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
};

// The first line of what went wrong.
export const describe = (error) => String(error?.message || error).split("\n")[0].slice(0, 300);

// A stream's chunks; whoever stops early ends the stream.
export async function* chunksOf(stream) {
  const reader = stream.getReader();
  let isOpen = true;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      yield value;
    }
    isOpen = false;
  } finally {
    if (isOpen) reader.cancel().catch(() => {});
  }
}

// A stream of what a generator yields.  It asks for the next only when that is wanted, so that a
// failure comes after all that came before it.
export const streamOf = (pieces) => new ReadableStream({
  async pull(controller) {
    try {
      for (;;) {
        const { done, value } = await pieces.next();
        if (done) return controller.close();
        if (value.length) return controller.enqueue(value);
      }
    } catch (error) { controller.error(error); }
  },
  async cancel() { await pieces.return(); },
});

// All bytes of a stream; `tooMany()` throws what is to be thrown beyond the limit.
export const readAll = async (stream, maxBytes, tooMany) => {
  const chunks = [], reader = stream.getReader();
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    size += value.length;
    if (size > maxBytes) {
      reader.cancel().catch(() => {});
      tooMany();
    }
    chunks.push(value);
  }
  if (chunks.length === 1) return chunks[0];
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
};
