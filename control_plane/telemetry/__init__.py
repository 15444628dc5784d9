"""What a control plane tells of itself: numbers, traces, and logs without personal data."""
