"""What every reader of price lists gives: the models of a list, and what it says of one that an entry can hold."""

from dataclasses import dataclass, field

from fingerpost.build.findings import Findings, Place, quoted
from fingerpost.build.imports.codes import (
    LIST_ENDING,
    LIST_ID,
    LIST_LEFT_OUT,
    LIST_OTHER_PRICE,
    LIST_PRICE,
    LIST_ROUNDED,
    LIST_VALUE,
)
from fingerpost.build.imports.cursor import Cursor
from fingerpost.build.imports.prices import NoPrice, price_of
from fingerpost.build.texts import prose_fault, text_fault

CHAT = "chat"
"""The kind of models that routes can name."""

_MAX_INTEGER = 2**63 - 1
_NAMES_SHOWN = 40
_SAYS_NOTHING: tuple[object, ...] = (None, False, "", 0, "0", [], {})


@dataclass(frozen=True, slots=True)
class Listed:
    """A model of a list, of which nothing but this is read before it is chosen."""

    id: str
    kind: str  # `CHAT`, or what else it is
    entry: Cursor


def check_id(name: str, entry: Cursor) -> bool:
    """Whether a text can be the id of a model; an error when it cannot: a list that is damaged there is not used."""
    if not text_fault(name) and not any(sign in name for sign in "\t\r\n"):
        return True
    entry.note(LIST_ID, f"the id {quoted(name)} is no text of one line that a person can read")
    return False


@dataclass(frozen=True, slots=True)
class Offer:
    """What a list says of a chat model; None and empty where it says nothing that can be kept."""

    id: str
    provider: str = ""
    description: str = ""
    input_price_usd_micros: int | None = None  # per million tokens, as the others
    output_price_usd_micros: int | None = None
    cached_input_price_usd_micros: int | None = None
    context_window_tokens: int | None = None
    max_output_tokens: int | None = None
    can: tuple[str, ...] = ()  # capabilities that it has
    cannot: tuple[str, ...] = ()  # capabilities that the list says it has not
    regions: tuple[str, ...] = ()
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


@dataclass(slots=True)
class LeftOut:
    """What entries have no place for, by name: one finding for all models of the list, since they mostly share it."""

    _models: dict[str, int] = field(default_factory=dict)  # how many have it
    _first: Place | None = None

    def add(self, name: str, entry: Cursor) -> None:
        self._models[name] = self._models.get(name, 0) + 1
        self._first = self._first or entry.place

    def tell(self, findings: Findings) -> None:
        if self._first is None:
            return
        shown = [f"{name} ({count})" for name, count in list(self._models.items())[:_NAMES_SHOWN]]
        more = f" and {len(self._models) - _NAMES_SHOWN} more" if len(self._models) > _NAMES_SHOWN else ""
        message = f"entries have no place for these, which are left out (of how many models): {', '.join(shown)}{more}"
        findings.add(LIST_LEFT_OUT, self._first, message)


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the values of one model; what cannot be kept becomes a finding, and the value is left out."""

    id: str
    entry: Cursor
    left_out: LeftOut

    def price(self, parent: Cursor, key: str, *, expected: bool = True) -> int | None:
        """The price under a key, in dollars per token; a missing one is told of where it is expected."""
        found = parent.get(key)
        if found is None:
            if expected:
                parent.note(LIST_PRICE, f"{self._named}: the list has no price {key}: it is left out, not taken for 0")
            return None
        try:
            price = price_of(found.value)
        except NoPrice as fault:
            found.note(LIST_PRICE, f"{self._named}: the price {key} is left out: {fault}")
            return None
        if price.rounded:
            per_token = quoted(str(found.value))
            message = f"{self._named}: {key} {per_token} is rounded to {price.usd_micros} micro-dollars per million"
            found.note(LIST_ROUNDED, message)
        return price.usd_micros

    def whole(self, parent: Cursor, key: str) -> int | None:
        """A whole number above 0."""
        found = parent.get(key)
        if found is None:
            return None
        value = found.value
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= _MAX_INTEGER:
            self.misfit(found, "a whole number above 0")
            return None
        return value

    def text(self, parent: Cursor, key: str, *, may_be_empty: bool = False) -> str:
        """A text that can be stored; otherwise empty."""
        found = parent.get(key)
        if found is None:
            return ""
        if not isinstance(found.value, str) or (prose_fault if may_be_empty else text_fault)(found.value):
            self.misfit(found, "a text that can be stored")
            return ""
        return found.value.strip()

    def texts(self, parent: Cursor, key: str) -> tuple[str, ...] | None:
        """A list of texts; None where the list of models has none, which is not the same as an empty one."""
        found = parent.get(key)
        if found is None:
            return None
        value = found.value
        if not isinstance(value, list) or not all(isinstance(one, str) and not text_fault(one) for one in value):
            self.misfit(found, "a list of texts")
            return None
        return tuple(dict.fromkeys(one.strip() for one in value))

    def mapping(self, key: str) -> Cursor:
        """The keys under a key; none where there are none."""
        found = self.entry.get(key)
        if found is not None and isinstance(found.value, dict):
            return found
        if found is not None:
            self.misfit(found, "keys with values")
        return self.entry.at(key)

    def ends(self, key: str) -> None:
        """Tell when the provider takes the model away, which an entry has no key for."""
        if (found := self.entry.get(key)) and found.value not in _SAYS_NOTHING:
            found.note(LIST_ENDING, f"{self._named}: by the list the model ends: {key} {quoted(str(found.value))}")

    def other_prices(self, parent: Cursor, names: list[str]) -> None:
        """Tell of prices that an entry has no key for, and that are not 0."""
        charged = [name for name in names if _says(parent, name)]
        if charged:
            shown = ", ".join(quoted(name) for name in charged[:_NAMES_SHOWN])
            parent.note(LIST_OTHER_PRICE, f"{self._named}: prices that have no place here are left out: {shown}")

    def leave_out(self, parent: Cursor, names: list[str], prefix: str = "") -> None:
        """Note keys that an entry has no place for; those that say nothing are none."""
        for name in names:
            if _says(parent, name):
                self.left_out.add(quoted(f"{prefix}{name}"), self.entry)

    def misfit(self, found: Cursor, expected: str) -> None:
        found.note(LIST_VALUE, f"{self._named}: {found.name} is left out: it must be {expected}")

    @property
    def _named(self) -> str:
        return quoted(self.id)


def _says(parent: Cursor, name: str) -> bool:
    """Whether there is something that would be lost; `1 == True`, so that flags that are set count."""
    found = parent.get(name)
    return found is not None and found.value not in _SAYS_NOTHING
