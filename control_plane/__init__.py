"""The control plane: publishes policies, collects what happened, redeems, measures, learns."""
