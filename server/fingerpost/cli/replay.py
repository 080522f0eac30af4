"""What `fingerpost replay` shows."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fingerpost.cli.show import short, to_json

if TYPE_CHECKING:
    from fingerpost.build.replay.replay import Replayed

_DIGEST = 12  # characters
_MILLION = 1_000_000

_out = Console(highlight=False, soft_wrap=True, emoji=False)


def print_json(found: "Replayed") -> None:
    typer.echo(to_json(asdict(found)))


def print_replayed(found: "Replayed", *, examples: int) -> None:
    """How much of the traffic is decided otherwise, which parts, and what that costs."""
    changed = found.changed
    before = ", ".join(digest[:_DIGEST] for digest in found.revisions_before)
    _out.print(
        f"{found.rows:,} logged decisions, standing for {found.traffic:,.0f}, of revision {before}; decided anew by "
        f"[bold]{found.revision[:_DIGEST]}[/]."
    )
    for why, count in sorted(found.passed_over.items()):
        _out.print(f"Passed over: {count:,} ({why}).")
    _out.print(
        f"[bold]{changed.value:.1%}[/] of the traffic is decided otherwise (95% interval {changed.low:.1%} to "
        f"{changed.high:.1%}); the fallback answers {found.fallback_after:.1%} instead of {found.fallback_before:.1%}."
    )
    if found.groups:
        table = Table("traffic", "before", "after", "an example", box=None, header_style="bold", padding=(0, 1, 0, 0))
        for group in found.groups:
            table.add_row(
                f"{group.share:.1%}",
                escape(f"{group.route_before or 'fallback'} ({group.model_before})"),
                escape(f"{group.route_after or 'fallback'} ({group.model_after})"),
                "\n".join(escape(short(text)) for text in group.examples[:examples]),
            )
        _out.print(table)
    _print_cost(found)


def _print_cost(found: "Replayed") -> None:
    spent = found.spent
    if spent.before_usd_micros is None or spent.after_usd_micros is None:
        _out.print("No price of its models is known, so nothing is said of the cost.")
    else:
        old, new = spent.before_usd_micros / _MILLION, spent.after_usd_micros / _MILLION
        change = f", {(new - old) / old:+.1%}" if old else ""
        _out.print(
            f"1,000 such requests of {spent.tokens.input} and {spent.tokens.output} tokens cost ${new:.2f} instead of "
            f"${old:.2f}{change}."
        )
    if spent.unpriced:
        _out.print(escape(f"Left out of the cost, since their price is unknown: {', '.join(spent.unpriced)}."))
