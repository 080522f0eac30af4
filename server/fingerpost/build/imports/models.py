"""Imports models: entries of `_models.yaml` made or refreshed from a price list, with every other line kept."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fingerpost.build.edit.model_entries import Entry, Value, with_entries, with_values
from fingerpost.build.edit.staging import Stage, staging
from fingerpost.build.files import fits_name
from fingerpost.build.findings import RouteFilesInvalid, quoted
from fingerpost.build.imports.codes import LIST_NAME, LIST_NAME_TAKEN
from fingerpost.build.imports.offer import CHAT, Listed, Offer
from fingerpost.build.imports.price_lists import AUTO, PriceList, read_list
from fingerpost.build.load import MODELS_FILE
from fingerpost.errors import FieldViolation, InvalidRequest
from fingerpost.types import Finding, Model

_NUMBERS = (
    "input_price_usd_micros", "output_price_usd_micros", "cached_input_price_usd_micros", "context_window_tokens",
    "max_output_tokens",
)  # fmt: skip
_CAPABILITIES = "capabilities"
_MANY = 50  # more models than a person reads through are added only when they are chosen


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked of an import."""

    form: str = AUTO
    only: tuple[str, ...] = ()  # patterns of ids
    name: str | None = None  # of the one model that is added
    update: bool = False  # refresh entries instead of adding some
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A value of an entry that is another now."""

    model: str
    key: str
    before: Value | None  # None: the entry did not say
    after: Value


@dataclass(frozen=True, slots=True)
class ModelsReport:
    """What an import did, or with `dry_run` would do: nothing is left out in silence."""

    format: str
    dry_run: bool
    files: tuple[str, ...]  # that were written
    added: tuple[Entry, ...]
    changed: tuple[Change, ...]
    unchanged: tuple[str, ...]  # names of entries that are there already, or that the list says nothing new of
    absent: tuple[str, ...]  # names of entries that are not refreshed, since the list has no such model
    passed_over: Mapping[str, int]  # models of the list that are not added since they do not chat, by what they are
    findings: tuple[Finding, ...]


def import_models(source: Path, folder: Path, wish: Wish) -> ModelsReport:
    """Add models of a price list to a route folder, or refresh those that it has.

    Args:
        source: The list, a file of JSON.
        folder: Of route files; it is written to as a whole or not at all.
        wish: Which models, and how.

    Raises:
        RouteFilesInvalid: the list cannot be used, or the folder would have an error that it has not.
        InvalidRequest: what is asked for cannot be done as it is.
        Conflict: somebody else changed the file meanwhile.
        StorageFull
    """
    _check_wish(wish)
    prices = read_list(source, wish.form)
    with staging(folder) as stage:
        plan = _updates(stage, prices, wish) if wish.update else _additions(stage, prices, wish)
        prices.left_out.tell(prices.findings)
        if prices.findings.errors_count:
            raise RouteFilesInvalid(prices.findings.ordered(), "the import has")
        if plan.content is not None:
            stage.change(MODELS_FILE, plan.content)
        done = stage.commit(dry_run=wish.dry_run)
    return ModelsReport(
        format=prices.form,
        dry_run=wish.dry_run,
        files=() if wish.dry_run else done.files,
        added=plan.added,
        changed=plan.changed,
        unchanged=plan.unchanged,
        absent=plan.absent,
        passed_over=plan.passed_over,
        findings=(*prices.findings.ordered(), *done.findings),
    )


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to become of the file; without a content nothing."""

    content: str | None
    added: tuple[Entry, ...] = ()
    changed: tuple[Change, ...] = ()
    unchanged: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    passed_over: Mapping[str, int] = field(default_factory=dict)


def _check_wish(wish: Wish) -> None:
    if wish.name is not None and wish.update:
        raise _refused("name", "--name and --update do not go together: an update leaves names as they are")
    if wish.name is not None and not fits_name(wish.name):
        raise _refused("name", f"{quoted(wish.name)} is no valid name: 1 to 128 letters, digits and a few signs")


def _models(stage: Stage) -> list[Model]:
    """The models of the folder in the order of the file.

    Raises:
        RouteFilesInvalid: the file cannot be read.
    """
    if stage.before.draft.models is None:
        raise RouteFilesInvalid(stage.before.findings)
    return [entry.model for entry in stage.before.draft.models]


# --- Adding -------------------------------------------------------------------------------------------------------


def _additions(stage: Stage, prices: PriceList, wish: Wish) -> _Plan:
    fitting = prices.fitting(wish.only)
    others = Counter(listed.kind for listed in fitting if listed.kind != CHAT)
    there = _models(stage)
    added, unchanged = [], []
    for listed in _chosen(fitting, wish):
        name = wish.name or listed.id
        held = [one.name for one in there if one.upstream_model == listed.id and wish.name in (None, one.name)]
        unchanged += held
        if not held and _free(listed, name, there):
            added.append(_entry(name, prices.offer(listed)))
    content = with_entries(MODELS_FILE, stage.content(MODELS_FILE), added) if added else None
    return _Plan(content, tuple(added), unchanged=tuple(unchanged), passed_over=dict(sorted(others.items())))


def _chosen(fitting: Sequence[Listed], wish: Wish) -> list[Listed]:
    chosen = [listed for listed in fitting if listed.kind == CHAT]
    if not chosen:
        kinds = ", ".join(sorted({quoted(listed.kind) for listed in fitting})) or "nothing"
        raise _refused("only", f"there is no chat model to add, only {kinds}")
    if wish.name is not None and len(chosen) > 1:
        message = f"--name is for one model and {len(chosen):,} are chosen: choose one with --only"
        raise _refused("name", message)
    if not wish.only and len(chosen) > _MANY:
        message = (
            f"the list has {len(chosen):,} chat models: choose with --only, as in --only {quoted(chosen[0].id)}, "
            "or refresh those of the folder with --update"
        )
        raise _refused("only", message)
    return chosen


def _free(listed: Listed, name: str, there: Sequence[Model]) -> bool:
    """Whether an entry can have the name; an error where it cannot."""
    entry = listed.entry
    if not fits_name(name):
        entry.note(LIST_NAME, f"{quoted(name)} is no valid name of a model: choose it alone and give it a --name")
        return False
    if taken := [one for one in there if one.name == name]:
        message = (
            f"the name {quoted(name)} is taken by the model whose upstream_model is {quoted(taken[0].upstream_model)}: "
            "choose this one alone and give it a --name"
        )
        entry.note(LIST_NAME_TAKEN, message)
        return False
    return True


def _entry(name: str, offer: Offer) -> Entry:
    """In the order of the starter file; what the list does not say has no key."""
    values: dict[str, Value | None] = {
        "name": name,
        "description": offer.description,
        "provider": offer.provider,
        "upstream_model": offer.id,
        **{key: getattr(offer, key) for key in _NUMBERS},
        _CAPABILITIES: offer.can,
        "regions": offer.regions,
        "requests_per_minute": offer.requests_per_minute,
        "tokens_per_minute": offer.tokens_per_minute,
    }
    return {key: value for key, value in values.items() if value is not None and value not in ("", ())}


# --- Refreshing ---------------------------------------------------------------------------------------------------


def _updates(stage: Stage, prices: PriceList, wish: Wish) -> _Plan:
    """Of whatever kind they are: people who have an entry chose it."""
    known = {listed.id: listed for listed in prices.fitting(wish.only)}
    models = _models(stage)
    named = {model.upstream_model: known[model.upstream_model] for model in models if model.upstream_model in known}
    if not named:
        raise _refused("update", "the list has no model of the folder: entries are found by their upstream_model")
    offers = {name: prices.offer(listed) for name, listed in named.items()}
    changes = {
        number: list(_changes(model, offers[model.upstream_model]))
        for number, model in enumerate(models)
        if model.upstream_model in offers
    }
    edits = {number: {one.key: one.after for one in values} for number, values in changes.items() if values}
    return _Plan(
        content=with_values(MODELS_FILE, stage.content(MODELS_FILE), edits) if edits else None,
        changed=tuple(one for values in changes.values() for one in values),
        unchanged=tuple(models[number].name for number, values in changes.items() if not values),
        absent=tuple(model.name for number, model in enumerate(models) if number not in changes),
    )


def _changes(model: Model, offer: Offer) -> Iterator[Change]:
    for key in _NUMBERS:
        before, after = getattr(model, key), getattr(offer, key)
        if after is not None and after != before:
            yield Change(model.name, key, before, after)
    kept = [name for name in model.capabilities if name not in offer.cannot]
    able = (*kept, *(name for name in offer.can if name not in kept))
    if able != model.capabilities:
        yield Change(model.name, _CAPABILITIES, model.capabilities or None, able)


def _refused(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, fields=[FieldViolation(field, message)])
