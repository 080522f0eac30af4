"""Replay: what a revision would have decided for the requests of a decision log."""
