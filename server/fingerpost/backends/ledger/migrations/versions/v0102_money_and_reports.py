"""Accounts of budgets, reports of what happened, and what is set by hand."""

import sqlalchemy as sa
from alembic import op

from fingerpost.backends.ledger.migrations.announcing import announces

revision = "0102"
down_revision = "0101"


def upgrade() -> None:
    _money()
    _reports()
    _set_by_hand()


def _money() -> None:
    op.create_table(
        "budget_accounts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("catalog", sa.String(64), nullable=False),
        sa.Column("budget", sa.Text, nullable=False),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("start_s", sa.BigInteger, nullable=False),
        sa.Column("end_s", sa.BigInteger, nullable=False),
        sa.Column("limit_usd_micros", sa.BigInteger, nullable=False),
        sa.Column("hard", sa.Boolean, nullable=False),
        sa.Column("sliced_usd_micros", sa.BigInteger, nullable=False),
        sa.Column("settled_reserved_usd_micros", sa.BigInteger, nullable=False),
        sa.Column("settled_usd_micros", sa.BigInteger, nullable=False),
        sa.Column("cleared_usd_micros", sa.BigInteger, nullable=False),
        sa.Column("spent", sa.Boolean, nullable=False),
        sa.UniqueConstraint("catalog", "budget", "holder", "start_s", name="budget_accounts_by_key"),
        sqlite_autoincrement=True,  # decisions carry the number: it never becomes another account's
    )
    op.create_index("budget_accounts_by_end", "budget_accounts", ["end_s"])
    op.create_table(
        "budget_slices",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("account", sa.Integer, sa.ForeignKey("budget_accounts.id"), nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("usd_micros", sa.BigInteger, nullable=False),
        sa.Column("left_usd_micros", sa.BigInteger),
    )
    op.create_index("budget_slices_by_account", "budget_slices", ["account"])
    op.create_table(
        "budget_alerts",
        sa.Column("account", sa.Integer, sa.ForeignKey("budget_accounts.id"), primary_key=True),
        sa.Column("percent", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("time_us", sa.BigInteger, nullable=False),
        sa.Column("used_usd_micros", sa.BigInteger, nullable=False),
        sa.Column("limit_usd_micros", sa.BigInteger, nullable=False),
        sa.Column("next_try_us", sa.BigInteger, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("delivered_us", sa.BigInteger),
        sa.Column("given_up_us", sa.BigInteger),
        sa.Column("noticed", sa.String(32), nullable=False),
        sa.Column("claimed", sa.String(32)),
    )
    op.create_index("budget_alerts_by_call", "budget_alerts", ["noticed"])
    undelivered = sa.text("delivered_us IS NULL AND given_up_us IS NULL")
    op.create_index(
        "budget_alerts_undelivered",
        "budget_alerts",
        ["next_try_us"],
        sqlite_where=undelivered,
        postgresql_where=undelivered,
    )


def _reports() -> None:
    op.create_table(
        "reports",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("caller", sa.Text, primary_key=True),
        sa.Column("tenant", sa.Text, nullable=False),
        sa.Column("catalog", sa.String(64), nullable=False),
        sa.Column("decision_id", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("status", sa.String(32), nullable=False),
        sa.Column("input_tokens", sa.BigInteger),
        sa.Column("output_tokens", sa.BigInteger),
        sa.Column("told_cost_usd_micros", sa.BigInteger),
        sa.Column("cost_usd_micros", sa.BigInteger, nullable=False),
        sa.Column("cost_source", sa.String(32), nullable=False),
        sa.Column("latency_ms", sa.BigInteger),
        sa.Column("retry_after_ms", sa.BigInteger),
        sa.Column("attempts", sa.Text, nullable=False),
        sa.Column("verdict", sa.String(32)),
        sa.Column("score", sa.Double),
        sa.Column("label", sa.Text, nullable=False),
        sa.Column("decided_s", sa.BigInteger, nullable=False),
        sa.Column("reported_us", sa.BigInteger, nullable=False),
        sa.Column("route", sa.Text, nullable=False),
        sa.Column("fell_back", sa.Boolean, nullable=False),
        sa.Column("arm", sa.Text, nullable=False),
        sa.Column("unit", sa.Text, nullable=False),
        sa.Column("debits", sa.Text, nullable=False),
    )
    op.create_index("reports_by_arm", "reports", ["catalog", "arm", "reported_us"])
    op.create_index("reports_by_time", "reports", ["reported_us"])
    op.create_table(
        "settlements",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("caller", sa.Text, nullable=False),
    )


def _set_by_hand() -> None:
    op.create_table(
        "overrides",
        sa.Column("catalog", sa.String(64), primary_key=True),
        sa.Column("kind", sa.String(32), primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("time_us", sa.BigInteger, nullable=False),
    )
    announces("overrides", "INSERT OR UPDATE OR DELETE")
    op.create_table(
        "secrets",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.LargeBinary, nullable=False),
    )
