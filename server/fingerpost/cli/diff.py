"""What `fingerpost diff` shows, and what a reindex says of the decisions that it changed."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from fingerpost.build.diff.texts import TextsKind
from fingerpost.cli import diff_words as words
from fingerpost.cli.show import short, to_json

if TYPE_CHECKING:
    from fingerpost.build.diff.diff import ChangedDecision, Diff, Group

_FEW = 3  # texts of a group that are shown
_FEW_GROUPS = 5  # groups that a reindex shows
_DIGEST = 12  # characters

_out = Console(highlight=False, soft_wrap=True, emoji=False)


def print_json(diff: "Diff") -> None:
    """Everything, each changed text with its causes in words too."""
    fields = asdict(diff)
    for group, shown in zip(diff.groups, fields["groups"], strict=True):
        shown["count"] = len(group.texts)
        for text, row in zip(group.texts, shown["texts"], strict=True):
            row["why"] = [words.cause_words(cause) for cause in text.causes]
    typer.echo(to_json(fields))


def print_diff(diff: "Diff", *, every: bool) -> None:
    """What differs, which texts are decided otherwise and why, and what that does to quality and cost."""
    _say(f"From revision {diff.before[:_DIGEST]} to {diff.after[:_DIGEST]}: {_between(diff)}.")
    _say(_asked(diff))
    if not diff.texts:
        return
    for note in words.notes(diff):
        _say(note)
    _out.print()
    _say(f"{_capital(words.headline(diff))}.")
    if diff.changed:
        _show_groups(diff, len(diff.groups), None if every else _FEW)
        _out.print()
        _show_quality(diff)
    for line in words.cost_lines(diff.cost):
        _say(line)


def print_since(diff: "Diff") -> None:
    """The same in short, at the end of a reindex."""
    _say(f"Since revision {diff.before[:_DIGEST]} {words.headline(diff)}.")
    if diff.texts < diff.total:
        _say(f"Only {diff.texts:,} of the {diff.total:,} test texts were compared, evenly picked.")
    if not diff.changed:
        return
    for note in words.notes(diff):
        _say(note)
    _show_groups(diff, _FEW_GROUPS, _FEW)
    if diff.accuracy is not None and diff.better + diff.worse:
        _say(words.accuracy_line(diff.accuracy))
        _say(words.chance(diff))
    for line in words.cost_lines(diff.cost):
        _say(line)
    _say(f"All of them: fingerpost diff {diff.before[:_DIGEST]} {diff.after[:_DIGEST]} --all")


def _between(diff: "Diff") -> str:
    if diff.before == diff.after:
        return "they are one and the same"
    return "; ".join(words.changes_words(diff.changes)) or "nothing that decides differs"


def _asked(diff: "Diff") -> str:
    """Which texts were decided, and how to ask others."""
    if diff.kind is TextsKind.TESTS:
        return f"Asked: the {words.texts_of(diff)} of {diff.place}. Others can be given with --cases or --routes."
    if diff.kind is TextsKind.FILE:
        labels = "" if diff.labelled else ", which have no labels: nobody says which decision is right"
        return f"Asked: the {words.texts_of(diff)} of {diff.place}{labels}."
    if not diff.texts:
        return "There is nothing to ask: no utterance differs. Give texts with --cases or --routes."
    return (
        f"Asked: the {words.texts_of(diff)}, since there are no test texts here that fit. They say little, because the "
        "revision that has one knows it by heart. Better texts can be given with --cases or --routes."
    )


def _show_groups(diff: "Diff", most_groups: int, most_texts: int | None) -> None:
    of = f" of {words.texts_of(diff)}"
    for group in diff.groups[:most_groups]:
        _say(f"{words.group_line(group, of)}:")
        of = ""
        _show_texts(group, most_texts)
    left = sum(len(group.texts) for group in diff.groups[most_groups:])
    if left:
        _say(f"{left:,} more changed in other ways.")


def _show_texts(group: "Group", most: int | None) -> None:
    for text in group.texts[:most]:
        _show_text(text)
    if most is not None and len(group.texts) > most:
        _say(f"  ... and {len(group.texts) - most:,} more")


def _show_text(text: "ChangedDecision") -> None:
    sure = f"{_number(text.before.confidence)} -> {_number(text.after.confidence)}"
    _say(f'  {_effect(text)}"{short(text.text)}" ({sure})')
    _say(f"    {', and '.join(words.cause_words(cause) for cause in text.causes)}")


def _effect(text: "ChangedDecision") -> str:
    """Whether it is for the better, and where the text belongs if it went wrong both times."""
    if text.effect is None:
        return ""
    if text.effect == "OTHER" and not text.after.right:
        return f"neither, it belongs to {f'`{text.expected}`' if text.expected else 'the fallback'}: "
    return f"{'neither' if text.effect == 'OTHER' else text.effect.lower()}: "


def _show_quality(diff: "Diff") -> None:
    table = Table("", "before", "after", "change", "95 % interval", box=None, header_style="bold", pad_edge=False)
    for name, delta in (("decided right", diff.accuracy), ("coverage", diff.coverage), ("precision", diff.precision)):
        if delta is not None:
            shares = (f"{delta.before:.1%}", f"{delta.after:.1%}", words.points(delta.change))
            table.add_row(name, *shares, f"{words.points(delta.low)} to {words.points(delta.high)}")
    _out.print(table)
    if line := words.chance(diff):
        _say(line)


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.2f}"


def _capital(line: str) -> str:
    return line[:1].upper() + line[1:]


def _say(line: str) -> None:
    _out.print(escape(line))
