"""The conformance suite: cases with their meaning, vectors for any implementation."""
