"""The price lists that can be read, by name, and which of their models are chosen."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path

from fingerpost.build.finding_codes import FILE_LARGE
from fingerpost.build.findings import Findings, Place, RouteFilesInvalid, quoted
from fingerpost.build.imports import litellm_prices, openrouter
from fingerpost.build.imports.codes import IMPORT_UNRECOGNISED, LIST_TWICE
from fingerpost.build.imports.cursor import Cursor
from fingerpost.build.imports.offer import LeftOut, Listed, Offer
from fingerpost.build.json_lines import parse_json
from fingerpost.build.labelled import read_content
from fingerpost.errors import FieldViolation, InvalidRequest

AUTO = "auto"
_MAX_CHARACTERS = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Form:
    """How a format is known and read."""

    has_signs: Callable[[Cursor], bool]
    models_of: Callable[[Cursor], Iterator[Listed]]
    offer_of: Callable[[Listed, LeftOut], Offer]


_FORMS: Mapping[str, _Form] = {
    "openrouter": _Form(openrouter.has_signs, openrouter.models_of, openrouter.offer_of),
    "litellm": _Form(litellm_prices.has_signs, litellm_prices.models_of, litellm_prices.offer_of),
}
FORMATS = tuple(_FORMS)


@dataclass(frozen=True, slots=True)
class PriceList:
    """A list whose models have an id each; what it says of them is read when they are asked for."""

    form: str
    models: Mapping[str, Listed]  # by id, those that are no chat models too
    findings: Findings
    left_out: LeftOut

    def offer(self, listed: Listed) -> Offer:
        """What the list says of one of its models."""
        return _FORMS[self.form].offer_of(listed, self.left_out)

    def fitting(self, only: Sequence[str] = ()) -> list[Listed]:
        """The models whose ids fit one of the patterns, or all.

        Raises:
            InvalidRequest: a pattern fits none.
        """
        for pattern in only:
            self._check(pattern)
        patterns = only or ("*",)
        return [one for name, one in self.models.items() if any(fnmatchcase(name, pattern) for pattern in patterns)]

    def _check(self, pattern: str) -> None:
        if not any(fnmatchcase(name, pattern) for name in self.models):
            near = get_close_matches(pattern, self.models, 1)
            hint = f"did you mean {quoted(near[0])}?" if near else "* and ? stand for characters"
            raise _refused("only", f"no model of the list fits {quoted(pattern)}: {hint}")


def read_list(source: Path, form: str = AUTO) -> PriceList:
    """Read a list, as far as its models have ids.

    Args:
        source: A file of JSON; nothing that it names is connected to.
        form: One of `FORMATS`, or `auto`: told by the content, and refused in doubt.

    Raises:
        RouteFilesInvalid: with a finding for each thing that is wrong with it.
        InvalidRequest: there is no such format.
    """
    if form not in {AUTO, *FORMATS}:
        raise _refused("format", f"unknown format {quoted(form)}: use one of {', '.join((AUTO, *FORMATS))}")
    findings = Findings()
    root = _root(source, findings)
    _check(findings)
    form = _recognised(root, form)
    _check(findings)
    models: dict[str, Listed] = {}
    for listed in _FORMS[form].models_of(root):
        if models.setdefault(listed.id, listed) is not listed:
            listed.entry.note(LIST_TWICE, f"{quoted(listed.id)} stands in the list already: the first counts")
    _check(findings)
    return PriceList(form, models, findings, LeftOut())


def _root(source: Path, findings: Findings) -> Cursor:
    """The document; with findings where there is none."""
    file = source.name
    content = read_content(source, findings)
    if content is not None and len(content) > _MAX_CHARACTERS:
        message = f"{file} is larger than {_MAX_CHARACTERS >> 20} MiB: take out the models that you do not need"
        findings.add(FILE_LARGE, Place(file), message)
    _check(findings)
    document = parse_json(file, content or "", findings, _exact)
    _check(findings)
    if document is None:
        raise RouteFilesInvalid(findings.ordered())
    return Cursor.root(document, findings)


def _exact(text: str) -> Decimal:
    """A number as it stands in the file; one whose exponent no decimal can hold counts as infinite."""
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal("Infinity")


def _recognised(root: Cursor, form: str) -> str:
    if form != AUTO:
        return form
    found = [name for name, known in _FORMS.items() if known.has_signs(root)]
    if len(found) != 1:
        message = f"this is no price list that is known; give --format, one of {', '.join(FORMATS)}"
        root.note(IMPORT_UNRECOGNISED, message)
    return found[0] if found else AUTO


def _check(findings: Findings) -> None:
    if findings.errors_count:
        raise RouteFilesInvalid(findings.ordered(), "the price list has")


def _refused(field: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, fields=[FieldViolation(field, message)])
