"""`fingerpost try`: a line in, a decision out, with a bar for the confidence and the nearest utterances."""

import contextlib
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from fingerpost.cli import show
from fingerpost.client import Client, Explanation, Options
from fingerpost.errors import FingerpostError, InvalidRequest, Unavailable

_BAR_CELLS = 30
_NEAREST = 3

_COMMAND = re.compile(r":([a-z]+)(?: +(.*))?")

_HELP = """\
  a text        routes it
  :why          every feature of the last decision, and what it added
  :add ROUTE    adds the last text to the route's utterances
  :test ROUTE   adds it to the route's tests instead
  :help         shows this
  an empty line or Ctrl-D ends"""

_out = Console(highlight=False, soft_wrap=True, emoji=False)


def try_lines(client: Client, catalog: str, routes: Path | None = None) -> None:
    """Route each line until the input ends; a refused line is told and the next one is asked for.

    Args:
        client: Of the server that decides.
        catalog: Which set of routes.
        routes: The folder that `:add` and `:test` write to.

    Raises:
        Unavailable: the server is gone.
    """
    trial = _Trial(client, catalog, routes)
    for line in _lines():
        try:
            trial.take(line)
        except Unavailable:
            raise
        except FingerpostError as error:
            show.error(error)
        except OSError as error:  # of a route file: nothing that ends the trial
            show.file_error(error)


def _lines() -> Iterator[str]:
    """Lines of a person, who ends with Ctrl-D or an empty line, or of a pipe."""
    if not sys.stdin.isatty():
        yield from (line for line in map(str.strip, sys.stdin) if line)
        return
    with contextlib.suppress(ImportError):  # not every Python has it; it lets `input` edit lines and recall them
        import readline  # noqa: F401
    _out.print("Type a request and press Enter; an empty line ends, :help shows what else there is.")
    while True:
        try:
            line = input("> ").strip()
        except (EOFError, KeyboardInterrupt):
            _out.print()
            return
        if not line:
            return
        yield line


class _Trial:
    """What was asked last, and what may be done with it."""

    def __init__(self, client: Client, catalog: str, routes: Path | None) -> None:
        self._client = client
        self._catalog = catalog
        self._routes = routes
        self._text = ""
        self._last: Explanation | None = None
        self._actions: Mapping[str, Callable[[str], None]] = {
            "help": self._help,
            "why": self._why,
            "add": self._add,
            "test": self._add_test,
        }

    def take(self, line: str) -> None:
        """Route a text, or do what a line with a colon says.

        Raises:
            FingerpostError
        """
        command = _COMMAND.fullmatch(line)
        if command is None:
            self._route(line)
        elif action := self._actions.get(command[1]):
            action(command[2] or "")
        else:
            raise InvalidRequest(f"there is no :{command[1]} here: :help shows what there is")

    def _route(self, text: str) -> None:
        explanation = self._client.explain(text, Options(catalog=self._catalog))
        before = self._last.decision.revision if self._last else explanation.decision.revision
        if explanation.decision.revision != before:
            _out.print(f"  [cyan]revision {explanation.decision.revision[:12]} answers now, not {before[:12]}[/]")
        self._text, self._last = text, explanation
        _show(explanation)

    def _help(self, _: str) -> None:
        _out.print(_HELP)

    def _why(self, _: str) -> None:
        if self._last is None:
            raise InvalidRequest("there is no decision yet: type a text first")
        show.explanation(self._last, as_json=False)
        _out.print()

    def _add(self, route: str) -> None:
        self._keep(route, test=False)

    def _add_test(self, route: str) -> None:
        self._keep(route, test=True)

    def _keep(self, route: str, *, test: bool) -> None:
        from fingerpost.build.edit.editor import add_texts
        from fingerpost.build.edit.survey import TextKind
        from fingerpost.cli import edit

        if self._routes is None:
            raise InvalidRequest("start with --routes FOLDER to add texts to its files")
        if not self._text or not route:
            raise InvalidRequest("type a text first, then the name of its route behind the command")
        result = add_texts(self._routes, route, [self._text], TextKind.TEST if test else TextKind.UTTERANCE)
        edit.edited(result)
        edit.written(result, self._routes, published=False)


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
