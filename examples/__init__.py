"""Worked examples: whole catalogs, and what a shop does to use them."""
