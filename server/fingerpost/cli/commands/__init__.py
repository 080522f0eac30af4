"""The commands, each with an example in its help, in the order of the help."""

from fingerpost.cli.commands import publishing  # noqa: F401, I001  each module adds its commands to the app
from fingerpost.cli.commands import editing  # noqa: F401
from fingerpost.cli.commands import linting  # noqa: F401
from fingerpost.cli.commands import comparing  # noqa: F401
from fingerpost.cli.commands import proposing  # noqa: F401
from fingerpost.cli.commands import releasing  # noqa: F401
from fingerpost.cli.commands import models  # noqa: F401
from fingerpost.cli.commands import reporting  # noqa: F401
from fingerpost.cli.commands import suggesting  # noqa: F401
from fingerpost.cli.commands import asking  # noqa: F401
from fingerpost.cli.commands import outcomes  # noqa: F401
from fingerpost.cli.commands import budgets  # noqa: F401
from fingerpost.cli.commands import breakers  # noqa: F401
from fingerpost.cli.commands import experimenting  # noqa: F401
from fingerpost.cli.commands import carrying  # noqa: F401
from fingerpost.cli.commands import tokens  # noqa: F401
from fingerpost.cli.commands.app import app, run

__all__ = ["app", "run"]
