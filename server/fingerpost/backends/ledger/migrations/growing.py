"""Growing: tables whose rows can neither be changed nor removed, whoever asks."""

from alembic import op

_FUNCTION = """
CREATE OR REPLACE FUNCTION only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% can only grow', TG_TABLE_NAME; END $$
"""


def only_grows(table: str) -> None:
    """Let the database refuse every change but a new row; `table` is a name of ours, never a caller's."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_FUNCTION)
        op.execute(
            f"CREATE TRIGGER {table}_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION only_grows()"
        )
        return
    for change in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} can only grow'); END"
        )
