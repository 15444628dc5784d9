"""The wasm kernel: the decision function once more, in C.  `kernel.h` draws it."""
