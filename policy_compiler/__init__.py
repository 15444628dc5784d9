"""Catalog in, signed bundle out: reads, checks, lowers and emits a shop's policy.

    source       folder of YAML -> objects, each with its place in a file
    rules        CEL text -> checked rule trees (`tree`)
    check        what must hold between the objects
    diagnostics  what any of these say about a catalog, all at once

Nothing here decides anything: see `edge.decision` for what the numbers mean.
"""
