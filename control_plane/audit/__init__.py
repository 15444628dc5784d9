"""The audit log: who changed what, chained so that no change to it stays unseen."""
