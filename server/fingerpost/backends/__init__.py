"""The only importers of engines."""
