"""From a compiled policy to every edge: gates, canaries, ramps, schedules, switches."""
