"""The command line. Commands parse and print; the work is elsewhere, and imported only when a command needs it."""

from fingerpost.cli.commands import app, run

__all__ = ["app", "run"]
