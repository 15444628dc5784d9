"""A synthetic shop's visitors: they come over HTTP and behave by a truth file."""
