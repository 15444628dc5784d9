"""Learning: from joined outcomes to the numbers that the compiler puts into the next bundle."""
