"""The schema's history, applied at start (`storage/database.py`).

A change of `storage/tables.py` needs a migration; a test compares the two.
"""
