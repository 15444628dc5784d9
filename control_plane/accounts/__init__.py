"""Who may do what: users, roles, API keys, sessions, and how a request is told whose it is."""
