"""Lint: what is wrong with route files that load well."""
