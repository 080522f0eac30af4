"""`fingerpost try`: a line in, a decision out, with a bar for the confidence and the nearest utterances."""

import sys
from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape

from fingerpost.cli import show
from fingerpost.client import Client, Explanation, Options
from fingerpost.errors import FingerpostError, Unavailable

_BAR_CELLS = 30
_NEAREST = 3

_out = Console(highlight=False, soft_wrap=True, emoji=False)


def try_lines(client: Client, catalog: str) -> None:
    """Route each line until the input ends; a refused line is told and the next one is asked for.

    Raises:
        Unavailable: the server is gone.
    """
    for line in _lines():
        try:
            explanation = client.explain(line, Options(catalog=catalog))
        except Unavailable:
            raise
        except FingerpostError as error:
            show.error(error)
        else:
            _show(explanation)


def _lines() -> Iterator[str]:
    """Lines of a person, who ends with Ctrl-D or an empty line, or of a pipe."""
    if not sys.stdin.isatty():
        yield from (line for line in map(str.strip, sys.stdin) if line)
        return
    _out.print("Type a request and press Enter; an empty line ends.")
    while True:
        try:
            line = input("> ").strip()
        except (EOFError, KeyboardInterrupt):
            _out.print()
            return
        if not line:
            return
        yield line


def _show(explanation: Explanation) -> None:
    decision = explanation.decision
    best = decision.route or (decision.alternatives[0].route if decision.alternatives else "")
    verdict = f"[green]{escape(decision.route)}[/]" if decision.route else "[yellow]fallback[/]"
    _out.print(f"  {verdict} -> model [bold]{escape(decision.model)}[/]")
    _out.print(f"  {_bar(decision.confidence, decision.threshold)} {escape(best)}")
    _out.print(f"  {escape(explanation.summary)}")
    for match in decision.matches[:_NEAREST]:
        route = match.route or "(out of scope)"
        _out.print(f"    {match.similarity:5.2f}  {escape(route):<18} {escape(show.short(match.text))}")
    _out.print()


def _bar(confidence: float | None, threshold: float) -> str:
    """The confidence as a bar with a mark at the threshold."""
    if confidence is None:
        return "no calibrated confidence:"
    cells = ["█" if cell < round(confidence * _BAR_CELLS) else "░" for cell in range(_BAR_CELLS)]
    cells[min(_BAR_CELLS - 1, round(threshold * _BAR_CELLS))] = "│"
    return f"{''.join(cells)} {confidence:4.0%} (needs {threshold:.0%})"
