"""Tables for analysis: the database as Parquet, queries over it, and reports."""
