"""Generated from proto/fingerpost/v1 by scripts/gen-proto; never edited."""
