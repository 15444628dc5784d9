"""The pure core: bytes in, verdict out.  No clock, no chance, no network, no I/O.

    open_bundle(bytes) -> Bundle                         bundle.py
    encode_request(bundle, json) -> encoded request      request.py
    decide(bundle, manifest, encoded request) -> verdict decide.py
    explain(...) -> why, or why not                      explain.py

Same bytes in, same bytes out, in CPython, in Pyodide and in the wasm kernel.
"""
