"""What the offers earned, with how sure we are."""
