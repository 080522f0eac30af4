"""Edit: one text more or less in a route file, and every other byte as it was."""
