"""Releases: which revision a catalog serves, who decided so, and the proof of it. Pure but for the stores."""
