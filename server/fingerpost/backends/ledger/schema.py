"""Schema: the tables as the program reads and writes them; `migrations` makes them."""

from sqlalchemy import BigInteger, Column, ForeignKey, MetaData, String, Table, Text

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
