"""Tokens: how many may a model read of texts, when nobody has counted them?"""

_BYTES_PER_TOKEN = 4
"""Of UTF-8: about right for English prose with tokenizers of today; models differ by a fifth and more."""


def estimated_tokens(*texts: str) -> int:
    """A quarter of the bytes, rounded up; whoever knows better says so in `requirements.input_tokens`."""
    total = sum(len(text) if text.isascii() else len(text.encode()) for text in texts)
    return -(-total // _BYTES_PER_TOKEN)
