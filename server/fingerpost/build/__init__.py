"""The build path: route files become an immutable revision."""
