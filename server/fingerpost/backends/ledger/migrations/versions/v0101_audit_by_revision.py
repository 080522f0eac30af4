"""Approvals are read from the audit, by revision; programs that know none must not open this ledger."""

from alembic import op

revision = "0101"  # a new era: see migrating.py
down_revision = "0001"


def upgrade() -> None:
    op.create_index("audit_by_revision", "audit", ["catalog", "revision", "sequence"])
