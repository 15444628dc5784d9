"""Hostile input, from two sides: `make fuzz`.

    kernel_pairs  decisions by the kernel's C and by Python, from policies drawn as tables
    kernel_fuzz.c the kernel's C under libFuzzer, ASan and UBSan; kernel_steer runs it
    oracle_pairs  many more generated pairs than the tests compare with cel-python
    targets       decoders, each with the invariant that must hold for any bytes
    mutate        bundles that are wrong in one column instead of one byte
    mutate_text   catalogs that are still YAML, with other numbers and names
    steer         one target under atheris, which follows coverage
    distil        the few inputs that between them reach what all of them reach
    run           everything, one after the other, within a budget of CPU minutes

The inputs kept are in `corpus/`; `tests/policy_compiler/test_fuzz_corpus.py` replays them
without atheris.  What was found, and when, is in docs/evidence.md.
"""
