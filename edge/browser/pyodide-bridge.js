// Lets Python in Pyodide decide with the kernel: edge/kernel/bridge.py is the other half.
//
//   const kernel = await loadKernel("/kernel.wasm");
//   python.globals.get("use_kernel")(bridge(kernel));
//
// Bytes come as Pyodide's proxies and are read in place; refusals go back as text, so that
// Python needs nothing of Pyodide's to tell them.

const withBytes = (proxies, work) => {
  const buffers = proxies.map((proxy) => proxy.getBuffer("u8"));
  try {
    return work(...buffers.map((buffer) => buffer.data));
  } catch (error) {
    if (!error.code) throw error;
    return `${error.name} ${error.code}`;
  } finally { buffers.forEach((buffer) => buffer.release()); }
};

const opened = (policy) => ({
  decide: (manifest, data) => withBytes([manifest, data], (block, request) => policy.decide(block, request)),
});

export const bridge = (kernel) => ({
  open: (bundle) => withBytes([bundle], (data) => opened(kernel.open(data))),
});
