"""What the control plane keeps: rows in SQLite, immutable objects in a folder."""
