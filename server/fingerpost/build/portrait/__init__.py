"""Portrait: all numbers of a report on one revision."""
