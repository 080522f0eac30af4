"""What an operator sees: logs, metrics, traces. No prompt ever stands in one."""
