"""Benchmarks: ratios against a named baseline in the same run, and no timed tests."""
