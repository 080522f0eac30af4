"""The ledger over SQLAlchemy."""
