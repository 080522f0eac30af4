"""Imports: files of other programs become a route folder. One module a format, one value that all give, one writer."""
