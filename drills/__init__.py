"""Faults, at every step there is: `make drill`."""
