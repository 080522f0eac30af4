"""Artefacts that several machines share."""
