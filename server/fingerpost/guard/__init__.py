"""State that decisions consult: pure transitions, clock injected."""
