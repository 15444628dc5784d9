"""The catalog kept in the database: immutable revisions, and drafts that become them."""
