"""Patterns: regular expressions that people give, matched in linear time and bounded memory, by RE2."""

from typing import Any

MATCHES = "re2_matches"
"""What the engine of rules calls its matching by RE2: its own `matches` compiles the pattern for every request."""

MAX_CHARACTERS = 512
MEMORY_BYTES = 8 << 20
"""That RE2 may use for a pattern, its own default; with much less it goes on without its cache, fifty times slower."""

MAX_INSTRUCTIONS = 1_000
"""Of the compiled pattern: so many steps does a byte take at most. With that none of 4,000 patterns that were made at
random took more than 10.4 ms on 64 KiB."""


def compiled(pattern: str) -> Any:  # noqa: ANN401  the package has no types
    """A pattern; its `search` takes a text.

    Raises:
        ValueError: RE2 cannot read it, or it is too long or too large; the message says where.
    """
    import re2

    if len(pattern) > MAX_CHARACTERS:
        told = f"a pattern has at most {MAX_CHARACTERS} characters, and this one {len(pattern)}"
        raise ValueError(f"the pattern cannot be used: {told}")
    options = re2.Options()
    options.max_mem = MEMORY_BYTES
    options.log_errors = False
    options.never_capture = True  # it is only asked whether a text matches
    try:
        found = re2.compile(pattern, options=options)
    except (re2.error, UnicodeEncodeError) as error:
        told = error.args[0] if error.args else ""
        said = told.decode(errors="replace") if isinstance(told, bytes) else str(error)
        raise ValueError(f"the pattern {pattern!r} cannot be used: {said}") from error
    size = max(found.programsize, found.reverseprogramsize)
    if size > MAX_INSTRUCTIONS:
        told = f"it takes {size} instructions and the limit is {MAX_INSTRUCTIONS}: repeat less in {{}}"
        raise ValueError(f"the pattern {pattern!r} cannot be used: {told}")
    return found
