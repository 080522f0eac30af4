"""The chain of the audit: what was written stays as it was, or it shows."""

import random
from dataclasses import replace
from typing import Any

import pytest

from fingerpost.errors import DataLoss, ErrorReason, InvalidRequest
from fingerpost.release.audit import first_fault, sealed, verified
from fingerpost.types import Action, AuditEntry, AuditHead, Event


def chain(length: int) -> tuple[list[AuditEntry], AuditHead]:
    """Entries of different events, and their head."""
    entries: list[AuditEntry] = []
    head = AuditHead()
    for number in range(length):
        event = Event(f"os:user{number % 3}", Action.ACTIVATE, "default", f"{number:064x}", {"generation": str(number)})
        entries.append(sealed(event, f"key-{number}", 1_000 + number, head))
        head = AuditHead(entries[-1].sequence, entries[-1].hash)
    return entries, head


def test_a_whole_chain() -> None:
    """Nothing is wrong with what was written, with an empty chain, and with a hash that is in it."""
    entries, head = chain(20)
    assert first_fault(entries, head) is None
    assert first_fault([], AuditHead()) is None
    assert verified(entries, head, entries[3].hash[:12]) == head


def altered(entry: AuditEntry, what: str) -> AuditEntry:
    other: dict[str, Any] = {what: 7 if what == "time_us" else "other"}
    if what in ("actor", "catalog", "revision"):
        return replace(entry, event=replace(entry.event, **other))
    if what == "action":
        return replace(entry, event=replace(entry.event, action=Action.ROLL_BACK))
    if what == "details":
        return replace(entry, event=replace(entry.event, details={"generation": "99"}))
    return replace(entry, **other)


@pytest.mark.fault("X11")
@pytest.mark.parametrize(
    "what", ["actor", "action", "catalog", "revision", "details", "time_us", "key", "previous_hash", "hash"]
)
def test_any_change_of_any_entry_shows(what: str) -> None:
    """Whatever is changed in whichever entry, the first bad entry is named."""
    entries, head = chain(12)
    for place in range(len(entries)):
        bad = [*entries[:place], altered(entries[place], what), *entries[place + 1 :]]
        fault = first_fault(bad, head)
        assert fault is not None
        assert fault.sequence == entries[place].sequence


@pytest.mark.fault("X11")
def test_removed_and_moved_entries_show() -> None:
    """A removed entry, one at the end too, and two that changed places."""
    entries, head = chain(12)
    for place in range(len(entries)):
        fault = first_fault([*entries[:place], *entries[place + 1 :]], head)
        assert fault is not None
        assert fault.sequence == place + 1
    swapped = [*entries[:4], entries[5], entries[4], *entries[6:]]
    assert first_fault(swapped, head) is not None


def test_a_chain_that_was_written_anew_shows_by_a_hash_that_was_kept() -> None:
    """A rewritten chain is whole by itself; only who kept a hash can tell."""
    _, old = chain(12)
    entries = []
    head = AuditHead()
    for number in range(12):
        entries.append(sealed(Event("os:x", Action.ACTIVATE, "default", "r"), f"k{number}", number, head))
        head = AuditHead(number + 1, entries[-1].hash)
    assert first_fault(entries, head) is None
    with pytest.raises(DataLoss, match="not in the chain") as caught:
        verified(entries, head, old.hash)
    assert caught.value.reason == ErrorReason.AUDIT_BROKEN
    with pytest.raises(InvalidRequest):
        verified(entries, head, old.hash[:5])


def test_random_changes_of_characters_show() -> None:
    """A thousand times one character of one entry is changed; each time that entry is named."""
    generator = random.Random(7)  # noqa: S311
    entries, head = chain(30)
    for _ in range(1_000):
        place = generator.randrange(len(entries))
        name = generator.choice(["key", "hash", "previous_hash"])
        value = getattr(entries[place], name)
        at = generator.randrange(len(value))
        other = value[:at] + ("x" if value[at] != "x" else "y") + value[at + 1 :]
        changed: dict[str, Any] = {name: other}
        bad = [*entries[:place], replace(entries[place], **changed), *entries[place + 1 :]]
        fault = first_fault(bad, head)
        assert fault is not None
        assert fault.sequence == place + 1
