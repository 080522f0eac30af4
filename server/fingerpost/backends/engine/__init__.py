"""The engine: embedding threads in a process of their own, so that the event loop never keeps them from Python."""
