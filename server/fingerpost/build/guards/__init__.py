"""Guards of a policy: its budgets, breakers and experiments, read and checked."""
