"""Texts whose vectors are stored with an encoder, to notice a machine or a library that computes something else.

Varied in length, script and kind, since saturation and wrong kernels show on some inputs only. Changing a text changes
every encoder's digest: raise `encoder_source.EXPORTER_VERSION` with it.
"""

TEXTS = (
    "hello",
    "?!...",
    "what is the capital of France",
    "write a function that reverses a linked list",
    "How do I transfer money from my savings account to another bank, please?",
    "def fib(n: int) -> int:\n    return n if n < 2 else fib(n - 1) + fib(n - 2)\n",
    "SELECT name, COUNT(*) FROM orders WHERE total > 99.5 GROUP BY name ORDER BY 2 DESC;",
    '{"id": 7, "tags": ["a", "b"], "price": 12.50, "note": null}',
    "请把这句话翻译成英文:今天天气很好。",
    "次の文章を三行で要約してください。",
    "Übersetze das ins Deutsche: déjà vu, naïve, señor, ångström",
    "напиши короткое письмо с извинениями",
    "🎉🚀 party time 👩‍👩‍👧 🤷🏽",
    "URGENT!!! MY INVOICE #4711 IS WRONG, CALL +1-555-0100 NOW",
    "Integrate x^2 * sin(x) from 0 to pi and show each step of the derivation. " * 8,
    "The quick brown fox jumps over the lazy dog while the committee reviews the quarterly report. " * 40,
)
