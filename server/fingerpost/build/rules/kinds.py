"""Kinds: is an expression one that the engine can evaluate, over facts that are known, to a truth?"""

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from fingerpost.build.rules.syntax import ConditionFault, FaultKind, Node, NodeKind
from fingerpost.types import RuleStage

MAX_ELEMENTS = 100
MAX_SCANS = 64
_METADATA_PAIRS = 64  # that a request may have, by default

BOOL, INT, DOUBLE, STRING = "bool", "int", "double", "string"
TIMESTAMP, DURATION, METADATA = "timestamp", "duration", "map"
"""Kinds of values; a list is "list of " and the kind of its elements."""

_LIST = "list of "

FACTS: Mapping[str, str] = {
    "text": STRING,
    "metadata": METADATA,
    "tenant": STRING,
    "language": STRING,
    "tokens": INT,
    "turns": INT,
    "time": TIMESTAMP,
}
SCORED_FACTS: Mapping[str, str] = {"route": STRING, "confidence": DOUBLE, "margin": DOUBLE, "similarity": DOUBLE}

_METHODS: Mapping[tuple[str, str], tuple[tuple[str, ...], str]] = {
    (STRING, "contains"): ((STRING,), BOOL),
    (STRING, "startsWith"): ((STRING,), BOOL),
    (STRING, "endsWith"): ((STRING,), BOOL),
    (STRING, "matches"): ((STRING,), BOOL),
    (STRING, "length"): ((), INT),
    (STRING, "lower"): ((), STRING),
    (METADATA, "size"): ((), INT),
    **{
        (TIMESTAMP, name): ((), INT)
        for name in (
            "getFullYear",
            "getMonth",
            "getDate",
            "getDayOfMonth",
            "getDayOfWeek",
            "getDayOfYear",
            "getHours",
            "getMinutes",
            "getSeconds",
        )
    },
}
"""What may be called on a value, with which arguments, and what comes of it. Hours and days are UTC.

`lower` and `length` are ours: CEL has no lower case, and the size of a text is its bytes to the engine, its characters
to the language's definition.
"""

_CALLS: Mapping[str, tuple[frozenset[str], str]] = {
    "size": (frozenset({METADATA}), INT),
    "int": (frozenset({STRING, INT, DOUBLE}), INT),
    "double": (frozenset({STRING, INT, DOUBLE}), DOUBLE),
    "string": (frozenset({STRING, INT, DOUBLE}), STRING),
    "timestamp": (frozenset({STRING}), TIMESTAMP),
    "duration": (frozenset({STRING}), DURATION),
}
"""Functions of one argument of one of these kinds."""

_TIME = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-([0-2][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z")
_DURATION = re.compile(r"([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?(?<=[hms])")
_MACROS = ("all", "exists", "exists_one")
_SCANNING = frozenset({"contains", "startsWith", "endsWith", "matches", "length", "lower"})
_NUMBERS = (INT, DOUBLE)
_ORDERED = (INT, DOUBLE, STRING, TIMESTAMP, DURATION)
_SUMS: Mapping[tuple[str, str, str], str] = {
    (TIMESTAMP, "-", TIMESTAMP): DURATION,
    (TIMESTAMP, "-", DURATION): TIMESTAMP,
    (TIMESTAMP, "+", DURATION): TIMESTAMP,
    (STRING, "+", STRING): STRING,
    **{(kind, sign, kind): kind for kind in _NUMBERS for sign in "+-*/"},
    (INT, "%", INT): INT,
}


@dataclass(frozen=True, slots=True)
class _Scope:
    """What names stand for at one place."""

    facts: Mapping[str, str]
    variables: Mapping[str, str]  # of the macro around it
    stage: RuleStage


def check(node: Node, stage: RuleStage) -> None:
    """Refuse an expression that the engine cannot evaluate to a truth, or not cheaply.

    Raises:
        ConditionFault: NAME, TYPE or COST.
    """
    facts = FACTS if stage is RuleStage.BEFORE else {**FACTS, **SCORED_FACTS}
    kind = _kind(node, _Scope(facts, {}, stage))
    if kind != BOOL:
        raise _type(node, f"a condition is true or false, and this is a {kind}")
    scans = _scans(node)
    if scans > MAX_SCANS:
        told = f"the expression reads the text {scans} times and the limit is {MAX_SCANS}: use a pattern"
        raise ConditionFault(FaultKind.COST, 0, told)


def reads(node: Node) -> frozenset[str]:
    """Names of the facts that an expression reads."""
    return frozenset(part.value for part in _parts(node) if part.kind is NodeKind.FACT and part.value in _ALL_FACTS)


def patterns(node: Node) -> tuple[tuple[str, int], ...]:
    """The regular expressions that it matches, each with its column."""
    return tuple(
        (part.children[1].value, part.children[1].column)
        for part in _parts(node)
        if part.kind is NodeKind.METHOD and part.value == "matches"
    )


def columns_of(node: Node, method: str) -> list[int]:
    """Where its name stands in the expression, each time that it is called."""
    return [part.column for part in _parts(node) if part.kind is NodeKind.METHOD and part.value == method]


def compared_routes(node: Node) -> frozenset[str]:
    """Literals that it compares with the route."""
    found: set[str] = set()
    for part in _parts(node):
        if part.kind is NodeKind.OPERATOR and part.value in ("==", "!=", "in"):
            sides = [*part.children, *(child for side in part.children for child in side.children)]
            if any(side.kind is NodeKind.FACT and side.value == "route" for side in part.children):
                found |= {side.value for side in sides if side.kind is NodeKind.LITERAL and isinstance(side.value, str)}
    return frozenset(found)


_ALL_FACTS = FACTS.keys() | SCORED_FACTS.keys()


def _parts(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _parts(child)


def _kind(node: Node, scope: _Scope) -> str:
    """What kind of value the node is of."""
    if node.kind is NodeKind.LITERAL:
        return {bool: BOOL, int: INT, float: DOUBLE, str: STRING}[type(node.value)]
    if node.kind is NodeKind.FACT:
        return _kind_of_name(node, scope)
    if node.kind is NodeKind.LIST:
        return _kind_of_list(node, scope)
    if node.kind is NodeKind.FIELD:
        _expect(node.children[0], METADATA, scope, "only metadata has fields, as in metadata.tier")
        return STRING
    if node.kind is NodeKind.INDEX:
        return _kind_of_index(node, scope)
    if node.kind is NodeKind.CALL:
        return _kind_of_call(node, scope)
    if node.kind is NodeKind.METHOD:
        return _kind_of_method(node, scope)
    return _kind_of_operator(node, scope)


def _kind_of_name(node: Node, scope: _Scope) -> str:
    known = {**scope.facts, **scope.variables}
    if node.value in known:
        return known[node.value]
    if node.value in SCORED_FACTS:
        raise ConditionFault(
            FaultKind.NAME, node.column, f"{node.value} is only known after similarity: move the rule to `after`"
        )
    raise _unknown(node, "name", known)


def _kind_of_list(node: Node, scope: _Scope) -> str:
    if len(node.children) > MAX_ELEMENTS:
        raise ConditionFault(FaultKind.COST, node.column, f"a list has at most {MAX_ELEMENTS} elements")
    kinds = {_kind(child, scope) for child in node.children}
    if not kinds:
        raise _type(node, "an empty list holds nothing")
    if len(kinds) > 1 or not kinds <= {BOOL, INT, DOUBLE, STRING}:
        raise _type(node, f"the elements of a list are of one plain kind, and these are {' and '.join(sorted(kinds))}")
    return _LIST + kinds.pop()


def _kind_of_index(node: Node, scope: _Scope) -> str:
    of = _kind(node.children[0], scope)
    if of == METADATA:
        _expect(node.children[1], STRING, scope, "a key of metadata is a text")
        return STRING
    if of.startswith(_LIST):
        _expect(node.children[1], INT, scope, "a place in a list is a whole number")
        return of.removeprefix(_LIST)
    raise _type(node, f"a {of} has no places")


def _kind_of_call(node: Node, scope: _Scope) -> str:
    if node.value == "has":
        if len(node.children) != 1 or node.children[0].kind is not NodeKind.FIELD:
            raise _type(node, "has takes a field, as in has(metadata.tier)")
        _kind(node.children[0], scope)
        return BOOL
    if node.value not in _CALLS:
        raise _unknown(node, "function", {**_CALLS, "has": None})
    taken, gives = _CALLS[node.value]
    if len(node.children) != 1:
        raise _type(node, f"{node.value} takes one value")
    kind = _kind(node.children[0], scope)
    if kind not in taken and not (node.value == "size" and kind.startswith(_LIST)):
        raise _type(node, f"{node.value} takes a {' or '.join(sorted(taken))}, not a {kind}")
    if gives in (TIMESTAMP, DURATION):
        _check_time(node)
    return gives


def _check_time(node: Node) -> None:
    """A time or a duration is written out, a time in UTC: of others the engine reads hours and days as they stand."""
    [argument] = node.children
    if argument.kind is not NodeKind.LITERAL:
        raise _type(node, f"{node.value} takes a text in quotes")
    pattern = _TIME if node.value == "timestamp" else _DURATION
    if not pattern.fullmatch(argument.value):
        shown = "timestamp('2026-01-05T12:00:00Z')" if node.value == "timestamp" else "duration('90m')"
        raise _type(argument, f"{argument.value!r} is none: write it as in {shown}")


def _kind_of_method(node: Node, scope: _Scope) -> str:
    if node.value in _MACROS:
        return _kind_of_macro(node, scope)
    of = _kind(node.children[0], scope)
    if (of, node.value) not in _METHODS:
        if of.startswith(_LIST) and node.value == "size" and len(node.children) == 1:
            return INT
        raise _unknown(node, f"function of a {of}", {name: None for kind, name in _METHODS if kind == of})
    takes, gives = _METHODS[of, node.value]
    if len(node.children) - 1 != len(takes):
        raise _type(node, f"{node.value} takes {len(takes) or 'no'} value{'s' if len(takes) != 1 else ''}")
    for child, kind in zip(node.children[1:], takes, strict=True):
        _expect(child, kind, scope, f"{node.value} takes a {kind}")
    if node.value == "matches" and node.children[1].kind is not NodeKind.LITERAL:
        raise ConditionFault(
            FaultKind.PATTERN, node.children[1].column, "a pattern is a text in quotes, so that it can be checked now"
        )
    return gives


def _kind_of_macro(node: Node, scope: _Scope) -> str:
    """`list.exists(x, ...)`, over a list that is written out or over the keys of metadata."""
    if scope.variables:
        raise ConditionFault(FaultKind.COST, node.column, f"{node.value} may not stand inside another such function")
    if len(node.children) != 3 or node.children[1].kind is not NodeKind.FACT:
        shown = f"['a', 'b'].{node.value}(x, text.contains(x))"
        raise _type(node, f"{node.value} takes a name and a condition, as in {shown}")
    over, name, inner = node.children
    kind = _kind(over, scope)
    if kind != METADATA and over.kind is not NodeKind.LIST:
        raise _type(over, f"{node.value} goes over a list that is written out, or over metadata")
    if name.value in _ALL_FACTS:
        raise ConditionFault(FaultKind.NAME, name.column, f"{name.value} is a fact already: take another name")
    if kind == METADATA and any(_may_fail(part) for part in _parts(inner)):
        # What is found first would decide whether the whole fails, and a map has no order.
        raise _type(inner, "over metadata nothing may be converted, computed or looked up but metadata itself")
    element = STRING if kind == METADATA else kind.removeprefix(_LIST)
    _expect(inner, BOOL, _Scope(scope.facts, {name.value: element}, scope.stage), "it is asked whether it is true")
    return BOOL


def _may_fail(node: Node) -> bool:
    """Whether the node may have no value, beside those of metadata by the keys that it has."""
    if node.kind is NodeKind.CALL:
        return node.value in ("int", "double")
    if node.kind in (NodeKind.INDEX, NodeKind.FIELD):
        return node.kind is NodeKind.FIELD or node.children[1].kind is not NodeKind.FACT
    return node.kind is NodeKind.OPERATOR and node.value in ("+", "-", "*", "/", "%", "neg")


def _kind_of_operator(node: Node, scope: _Scope) -> str:
    sign = node.value
    if sign in ("&&", "||", "!"):
        for child in node.children:
            _expect(child, BOOL, scope, f"{sign} joins truths")
        return BOOL
    if sign == "?:":
        return _kind_of_choice(node, scope)
    if sign == "neg":
        kind = _kind(node.children[0], scope)
        if kind not in _NUMBERS:
            raise _type(node, f"- stands before a number, not a {kind}")
        return kind
    return _kind_of_pair(node, scope)


def _kind_of_choice(node: Node, scope: _Scope) -> str:
    _expect(node.children[0], BOOL, scope, "what stands before ? is true or false")
    then, otherwise = (_kind(child, scope) for child in node.children[1:])
    if then != otherwise:
        raise _type(node, f"both values of ?: are of one kind, and these are {then} and {otherwise}")
    return then


def _kind_of_pair(node: Node, scope: _Scope) -> str:
    sign = node.value
    left, right = (_kind(child, scope) for child in node.children)
    if sign == "in":
        if (left == STRING and right == METADATA) or right == _LIST + left:
            return BOOL
        raise _type(node, f"a {left} cannot be in a {right}")
    if sign in ("==", "!=", "<", "<=", ">", ">="):
        return _comparison(node, left, right)
    if (left, sign, right) not in _SUMS:
        raise _type(node, f"{left} {sign} {right} has no meaning: convert one with int(), double() or string()")
    return _SUMS[left, sign, right]


def _comparison(node: Node, left: str, right: str) -> str:
    alike = left == right or {left, right} == set(_NUMBERS)
    comparable = left in _ORDERED or node.value in ("==", "!=")
    if alike and comparable and left != METADATA:
        return BOOL
    raise _type(node, f"a {left} cannot be compared with a {right} by {node.value}")


def _expect(node: Node, kind: str, scope: _Scope, why: str) -> None:
    found = _kind(node, scope)
    if found != kind:
        raise _type(node, f"{why}, and this is a {found}")


def _type(node: Node, message: str) -> ConditionFault:
    return ConditionFault(FaultKind.TYPE, node.column, message)


def _unknown(node: Node, what: str, known: Mapping[str, object]) -> ConditionFault:
    near = difflib.get_close_matches(node.value, known, n=1)
    hint = f": did you mean {near[0]}?" if near else f": known are {', '.join(sorted(known))}"
    return ConditionFault(FaultKind.NAME, node.column, f"unknown {what} {node.value}{hint}")


def _scans(node: Node) -> int:
    """How often the request's text is read through, at most; all else that rules read is short."""
    inner = sum(_scans(child) for child in node.children)
    if node.kind is NodeKind.METHOD and node.value in _MACROS and node.children[0].kind is NodeKind.LIST:
        inner *= len(node.children[0].children)
    elif node.kind is NodeKind.METHOD and node.value in _MACROS:
        inner *= _METADATA_PAIRS
    return inner + int(_reads_through(node) and any("text" in reads(child) for child in node.children))


def _reads_through(node: Node) -> bool:
    if node.kind is NodeKind.OPERATOR:
        return node.value in ("==", "!=", "<", "<=", ">", ">=", "in", "+")
    return node.kind is NodeKind.METHOD and node.value in _SCANNING
