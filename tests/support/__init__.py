"""What several tests need: real runtimes, real browsers, real servers."""
