"""Schema: the tables as the program reads and writes them; `migrations` makes them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData()

audit = Table(
    "audit",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("time_us", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", String(32), nullable=False),
    Column("catalog", String(64), nullable=False),
    Column("revision", String(64), nullable=False),
    Column("details", Text, nullable=False),  # JSON
    Column("key", String(128), nullable=False, unique=True),
    Column("previous_hash", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)

audit_head = Table(
    "audit_head",  # one row, which every change locks: changes come one after the other
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
)

pointers = Table(
    "pointers",
    metadata,
    Column("catalog", String(64), primary_key=True),
    Column("revision", String(64), nullable=False),
    Column("generation", BigInteger, nullable=False),
)

activations = Table(
    "activations",  # every pointer that ever was
    metadata,
    Column("catalog", String(64), ForeignKey("pointers.catalog"), primary_key=True),
    Column("generation", BigInteger, primary_key=True, autoincrement=False),
    Column("revision", String(64), nullable=False),
)

# --- Money ---------------------------------------------------------------------------------------------------------

accounts = Table(
    "budget_accounts",  # unique by catalog, budget, holder and start
    metadata,
    Column("id", Integer, primary_key=True),  # decisions carry it in 32 bits
    Column("catalog", String(64), nullable=False),
    Column("budget", Text, nullable=False),
    Column("holder", Text, nullable=False),
    Column("start_s", BigInteger, nullable=False),
    Column("end_s", BigInteger, nullable=False),
    Column("limit_usd_micros", BigInteger, nullable=False),  # as whoever asked last had it, and so the next
    Column("hard", Boolean, nullable=False),
    Column("sliced_usd_micros", BigInteger, nullable=False),  # all slices that were taken, less what came back
    Column("settled_reserved_usd_micros", BigInteger, nullable=False),  # what reported decisions had reserved
    Column("settled_usd_micros", BigInteger, nullable=False),  # what they cost
    Column("cleared_usd_micros", BigInteger, nullable=False),
    Column("spent", Boolean, nullable=False),  # what is left pays for no request
)

slices = Table(
    "budget_slices",  # those that are out: what is given back is removed
    metadata,
    Column("id", Text, primary_key=True),
    Column("account", Integer, ForeignKey("budget_accounts.id"), nullable=False),
    Column("owner", Text, nullable=False),
    Column("usd_micros", BigInteger, nullable=False),
    Column("left_usd_micros", BigInteger),  # as its owner told last; null: never
)

alerts = Table(
    "budget_alerts",
    metadata,
    Column("account", Integer, ForeignKey("budget_accounts.id"), primary_key=True),
    Column("percent", Integer, primary_key=True, autoincrement=False),
    Column("time_us", BigInteger, nullable=False),
    Column("used_usd_micros", BigInteger, nullable=False),
    Column("limit_usd_micros", BigInteger, nullable=False),
    Column("next_try_us", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("delivered_us", BigInteger),
    Column("given_up_us", BigInteger),
    Column("noticed", String(32), nullable=False),  # the call that inserted it
    Column("claimed", String(32)),  # the call that gave it out last
)

# --- Reports -------------------------------------------------------------------------------------------------------

reports = Table(
    "reports",
    metadata,
    Column("key", Text, primary_key=True),  # of the decision
    Column("caller", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("catalog", String(64), nullable=False),
    Column("decision_id", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("status", String(32), nullable=False),
    Column("input_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("told_cost_usd_micros", BigInteger),  # as the caller said it
    Column("cost_usd_micros", BigInteger, nullable=False),
    Column("cost_source", String(32), nullable=False),
    Column("latency_ms", BigInteger),
    Column("retry_after_ms", BigInteger),
    Column("attempts", Text, nullable=False),
    Column("verdict", String(32)),
    Column("score", Double),
    Column("label", Text, nullable=False),
    Column("decided_s", BigInteger, nullable=False),
    Column("reported_us", BigInteger, nullable=False),
    Column("route", Text, nullable=False),
    Column("fell_back", Boolean, nullable=False),
    Column("arm", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("debits", Text, nullable=False),  # JSON: [[account, micro-dollars], ...]
)

settlements = Table(
    "settlements",  # decisions whose cost stands in the place of what they reserved
    metadata,
    Column("key", Text, primary_key=True),
    Column("caller", Text, nullable=False),  # whose report said what they cost
)

# --- Set by hand ---------------------------------------------------------------------------------------------------

overrides = Table(
    "overrides",
    metadata,
    Column("catalog", String(64), primary_key=True),
    Column("kind", String(32), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),  # JSON
    Column("actor", Text, nullable=False),
    Column("time_us", BigInteger, nullable=False),
)

secrets = Table(
    "secrets",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)
