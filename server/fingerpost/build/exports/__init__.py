"""Exports: a route folder becomes a file of another program."""
