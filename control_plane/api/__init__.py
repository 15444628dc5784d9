"""The HTTP API: operations as data, and how they are served, described and guarded."""
