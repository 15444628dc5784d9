// SHA-256 at once, by the kernel: WebCrypto's is asynchronous, and a first paint does not wait.

// `module`: what Kernel takes.  Bytes -> 32 bytes.
export const sha256With = (module) => (data) => {
  const kernel = module.instantiate?.() ?? new WebAssembly.Instance(module).exports;
  const out = kernel.__heap_base.value + 15 & -16, at = out + 32;
  const missing = at + data.length - kernel.memory.buffer.byteLength;
  if (missing > 0) kernel.memory.grow(Math.ceil(missing / 65536));
  new Uint8Array(kernel.memory.buffer).set(data, at);
  kernel.proffer_sha256(at, data.length, out);
  return new Uint8Array(kernel.memory.buffer).slice(out, out + 32);
};
