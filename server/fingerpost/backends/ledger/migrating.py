"""Migrating: bringing a ledger's layout up to date, on whichever engine.

A layout's name is two digits of its era and two of its step. The steps of an era only add: tables, columns that may be
left out. So a program works on every layout of its own era, later ones too, and versions run side by side while one
takes the other's place. What takes away or means something else begins a new era, which earlier programs refuse.
"""

from sqlalchemy import Connection, inspect, text

from fingerpost.errors import ErrorReason, FailedPrecondition

LATEST = "0102"
"""The layout that this program makes."""

_ERA_CHARACTERS = 2


def layout_of(connection: Connection) -> str | None:
    """The layout's name; None: there is none yet."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def is_current(layout: str | None) -> bool:
    """Whether this program can work on the layout as it is.

    Raises:
        FailedPrecondition: STORE_INCOMPATIBLE, it is of a later era.
    """
    if layout is not None and layout[:_ERA_CHARACTERS] > LATEST[:_ERA_CHARACTERS]:
        raise FailedPrecondition(
            f"the ledger has layout {layout} and this program knows {LATEST}: update the program",
            ErrorReason.STORE_INCOMPATIBLE,
        )
    return layout is not None and layout >= LATEST


def migrate(connection: Connection) -> None:
    """Take the steps that are missing, in the connection's transaction; nobody else may do so meanwhile.

    Raises:
        FailedPrecondition: STORE_INCOMPATIBLE, the layout is of a later era.
    """
    if is_current(layout_of(connection)):
        return
    from alembic import command  # only now: it is seldom needed
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "fingerpost.backends.ledger:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, LATEST)
