"""Access: who is known, by which proof, and what they may do."""
