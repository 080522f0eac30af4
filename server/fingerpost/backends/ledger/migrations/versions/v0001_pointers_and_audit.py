"""Pointers, their history, and the audit, which can only grow."""

import sqlalchemy as sa
from alembic import op

from fingerpost.backends.ledger.migrations.announcing import announces
from fingerpost.backends.ledger.migrations.growing import only_grows

revision = "0001"
down_revision = None

_GROWING = ("audit", "activations")


def upgrade() -> None:
    op.create_table(
        "audit",
        sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("time_us", sa.BigInteger, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("action", sa.String(32), nullable=False),
        sa.Column("catalog", sa.String(64), nullable=False),
        sa.Column("revision", sa.String(64), nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("key", sa.String(128), nullable=False, unique=True),
        sa.Column("previous_hash", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    head = op.create_table(
        "audit_head",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.bulk_insert(head, [{"id": 1, "sequence": 0, "hash": "0" * 64}])
    op.create_table(
        "pointers",
        sa.Column("catalog", sa.String(64), primary_key=True),
        sa.Column("revision", sa.String(64), nullable=False),
        sa.Column("generation", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "activations",
        sa.Column("catalog", sa.String(64), sa.ForeignKey("pointers.catalog"), primary_key=True),
        sa.Column("generation", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("revision", sa.String(64), nullable=False),
    )
    for table in _GROWING:
        only_grows(table)
    announces("pointers")
