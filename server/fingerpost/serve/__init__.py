"""The request path: one stage a file; pipeline.py knows the order."""
