"""The console: one page, rendered on the server, readable without scripts."""
