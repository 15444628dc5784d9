"""Where events are kept until they are folded into rows, so that nothing acknowledged is lost."""
