"""Events in the formats of others, and the door that all of them come in by."""
