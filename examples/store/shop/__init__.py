"""The demo shop: an ordinary origin server that happens to stand behind an edge."""
