"""Announcing: whoever listens to PostgreSQL is woken when a table has changed, by whichever program."""

from alembic import op

_FUNCTION = """
CREATE OR REPLACE FUNCTION announces() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM pg_notify(TG_ARGV[0], ''); RETURN NULL; END $$
"""


def announces(table: str, changes: str = "INSERT OR UPDATE") -> None:
    """Notify the channel fingerpost_TABLE when a change is committed; SQLite has nobody who could listen."""
    if op.get_bind().dialect.name != "postgresql":
        return
    op.execute(_FUNCTION)
    op.execute(
        f"CREATE TRIGGER {table}_announced AFTER {changes} ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION announces('fingerpost_{table}')"
    )
