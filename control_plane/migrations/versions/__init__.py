"""One file per step.  Released steps never change."""
