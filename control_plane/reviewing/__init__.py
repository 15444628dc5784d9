"""Reviews: what a draft would change, who looked at it, and who approved which content."""
