"""Patterns: regular expressions that people give, matched in linear time and bounded memory, by RE2."""

from typing import Any

MATCHES = "re2_matches"
"""What the engine of rules calls its matching by RE2: its own `matches` compiles the pattern for every request."""

MAX_CHARACTERS = 512
MEMORY_BYTES = 1 << 20
"""That RE2 may use for one pattern; it refuses what needs more. Its own default is eight times that."""


def compiled(pattern: str) -> Any:  # noqa: ANN401  the package has no types
    """A pattern; its `search` takes a text.

    Raises:
        ValueError: RE2 cannot read it, or it is too long or too large; the message says where.
    """
    import re2

    if len(pattern) > MAX_CHARACTERS:
        raise ValueError(f"a pattern has at most {MAX_CHARACTERS} characters, and this one {len(pattern)}")
    options = re2.Options()
    options.max_mem = MEMORY_BYTES
    options.log_errors = False
    try:
        return re2.compile(pattern, options=options)
    except (re2.error, UnicodeEncodeError) as error:
        told = error.args[0] if error.args else ""
        said = told.decode(errors="replace") if isinstance(told, bytes) else str(error)
        raise ValueError(f"the pattern {pattern!r} cannot be used: {said}") from error
