"""What the commands show of a revision's contents, of two revisions, and of what was cleared up."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fingerpost.cli.show import to_json

if TYPE_CHECKING:
    from fingerpost.client.catalog_types import Change, Collected, ModelEntry, RouteEntry

_DIGEST = 12  # characters
_MIB = 1 << 20

_out = Console(highlight=False, soft_wrap=True, emoji=False)


def show_routes(routes: "Sequence[RouteEntry]", *, as_json: bool) -> None:
    if as_json:
        typer.echo(to_json([asdict(one) for one in routes]))
        return
    table = _table("route", "model", "threshold", "utterances", "description")
    for one in routes:
        threshold = f"{one.threshold:.2f}{' (given)' if one.threshold_given else ''}"
        model = one.model if len(one.models) < 2 else f"{one.selection} of {', '.join(one.models)}"
        table.add_row(escape(one.name), escape(model), threshold, str(one.utterances), escape(one.description))
    _out.print(table)


def show_models(models: "Sequence[ModelEntry]", *, as_json: bool) -> None:
    if as_json:
        typer.echo(to_json([asdict(one) for one in models]))
        return
    table = _table("model", "upstream model", "tier", "$/M in", "$/M out", "context", "can")
    for one in models:
        prices = (one.input_price_usd_micros, one.output_price_usd_micros)
        table.add_row(
            escape(one.name),
            escape(one.upstream_model),
            escape(one.tier),
            *("" if price is None else f"{price / 1e6:g}" for price in prices),
            "" if one.context_window_tokens is None else f"{one.context_window_tokens:,}",
            escape(", ".join(one.capabilities)),
        )
    _out.print(table)


def show_changes(changes: "Sequence[Change]", *, as_json: bool) -> None:
    if as_json:
        typer.echo(to_json([asdict(one) for one in changes]))
        return
    if not changes:
        _out.print("They have the same encoder, routes, models and policy.")
        return
    table = _table("what", "name", "of it", "before", "after")
    for one in changes:
        of_it = one.field or ("added" if not one.before else "removed" if not one.after else "")
        table.add_row(one.subject, escape(one.name), of_it, escape(_short(one.before)), escape(_short(one.after)))
    _out.print(table)


def show_collected(found: "Collected", *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        typer.echo(to_json(asdict(found)))
        return
    verb = "would be removed" if dry_run else "removed"
    for digest in found.revisions:
        _out.print(digest[:_DIGEST])
    _out.print(f"{len(found.revisions)} revisions {verb}, {found.bytes / _MIB:.1f} MiB.")
    for digest in found.unused_encoders:
        _out.print(f"No revision uses encoder {digest[:_DIGEST]} any more; remove its folder if nobody will.")


def _short(text: str) -> str:
    return text[:_DIGEST] if len(text) == 64 and text.isalnum() else text


def _table(*names: str) -> Table:
    return Table(*names, box=None, header_style="bold", padding=(0, 1, 0, 0))
