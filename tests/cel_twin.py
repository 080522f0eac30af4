"""A slow, obvious evaluator of rules' conditions, and a strategy of well-typed ones: the engine is held against it."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import re2
from hypothesis import strategies as st

from fingerpost.build.rules.syntax import Node, NodeKind

FACTS: Mapping[str, Any] = {
    "text": "Traceback: caf\u00e9 over 9000",
    "metadata": {"a": "gold", "n": "12"},
    "tenant": "acme",
    "language": "en",
    "tokens": 42,
    "turns": 1,
    "time": datetime(2026, 1, 5, 12, 30, 15, tzinfo=UTC),
    "route": "code",
    "confidence": 0.75,
    "margin": 0.5,
    "similarity": -0.25,
}


class NoValueError(Exception):
    """The expression has no value."""


def evaluate(node: Node, facts: Mapping[str, Any]) -> Any:
    """What the expression is, by the definition of the language; `NoValueError` where it is nothing."""
    if node.kind is NodeKind.LITERAL:
        return node.value
    if node.kind is NodeKind.FACT:
        return facts[node.value]
    if node.kind is NodeKind.LIST:
        return [evaluate(child, facts) for child in node.children]
    if node.kind in (NodeKind.FIELD, NodeKind.INDEX):
        return _at(node, facts)
    if node.kind is NodeKind.CALL:
        return _called(node, facts)
    if node.kind is NodeKind.METHOD:
        return _method(node, facts)
    return _operated(node, facts)


def _at(node: Node, facts: Mapping[str, Any]) -> Any:
    of = evaluate(node.children[0], facts)
    key = node.value if node.kind is NodeKind.FIELD else evaluate(node.children[1], facts)
    if isinstance(of, list):
        if 0 <= key < len(of):
            return of[key]
    elif key in of:
        return of[key]
    raise NoValueError


def _called(node: Node, facts: Mapping[str, Any]) -> Any:
    [argument] = node.children
    if node.value == "has":
        return argument.value in evaluate(argument.children[0], facts)
    value = evaluate(argument, facts)
    convert: Mapping[str, Callable[[Any], Any]] = {
        "size": len,
        "int": lambda one: _whole(int(one)),
        "double": float,
        "string": str,
        "timestamp": datetime.fromisoformat,
        "duration": lambda one: timedelta(hours=int(one[:-1])),
    }
    try:
        return convert[node.value](value)
    except ValueError as error:
        raise NoValueError from error


def _method(node: Node, facts: Mapping[str, Any]) -> Any:
    if node.value in ("all", "exists", "exists_one"):
        return _macro(node, facts)
    of, *arguments = (evaluate(child, facts) for child in node.children)
    times = {
        "getFullYear": lambda t: t.year,
        "getMonth": lambda t: t.month - 1,
        "getDate": lambda t: t.day,
        "getDayOfMonth": lambda t: t.day - 1,
        "getDayOfWeek": lambda t: t.isoweekday() % 7,
        "getDayOfYear": lambda t: t.timetuple().tm_yday - 1,
        "getHours": lambda t: t.hour,
        "getMinutes": lambda t: t.minute,
        "getSeconds": lambda t: t.second,
    }
    if node.value in times:
        return times[node.value](of)
    methods: Mapping[str, Callable[..., Any]] = {
        "contains": lambda part: part in of,
        "startsWith": lambda part: of.startswith(part),
        "endsWith": lambda part: of.endswith(part),
        "matches": lambda pattern: re2.search(pattern, of) is not None,
        "size": lambda: len(of),
        "length": lambda: len(of),
        "lower": lambda: of.lower(),
    }
    return methods[node.value](*arguments)


def _macro(node: Node, facts: Mapping[str, Any]) -> bool:
    over, name, inner = node.children
    found: list[bool | None] = []
    for one in evaluate(over, facts):
        try:
            found.append(bool(evaluate(inner, {**facts, name.value: one})))
        except NoValueError:
            found.append(None)
    if node.value == "exists_one":
        if None in found:
            raise NoValueError
        return found.count(True) == 1
    settles: bool = node.value == "exists"
    if settles in found:
        return settles
    if None in found:
        raise NoValueError
    return not settles


def _operated(node: Node, facts: Mapping[str, Any]) -> Any:
    sign = node.value
    if sign in ("&&", "||"):
        return _joined(node, facts, settles=sign == "||")
    if sign == "?:":
        return evaluate(node.children[1 if evaluate(node.children[0], facts) else 2], facts)
    values = [evaluate(child, facts) for child in node.children]
    if sign == "!":
        return not values[0]
    if sign == "neg":
        return _whole(-values[0])
    left, right = values
    pairs: Mapping[str, Callable[[], Any]] = {
        "==": lambda: left == right,
        "!=": lambda: left != right,
        "<": lambda: left < right,
        "<=": lambda: left <= right,
        ">": lambda: left > right,
        ">=": lambda: left >= right,
        "in": lambda: left in right,
        "+": lambda: _whole(left + right),
        "-": lambda: _whole(left - right),
        "*": lambda: _whole(left * right),
        "/": lambda: _divided(left, right),
        "%": lambda: _remainder(left, right),
    }
    return pairs[sign]()


def _joined(node: Node, facts: Mapping[str, Any], *, settles: bool) -> bool:
    """One that settles it is enough, even beside one without a value."""
    missing = False
    for child in node.children:
        try:
            if bool(evaluate(child, facts)) == settles:
                return settles
        except NoValueError:
            missing = True
    if missing:
        raise NoValueError
    return not settles


def _whole(value: Any) -> Any:
    """The value, if it is none of a whole number that 64 bits cannot hold."""
    if type(value) is int and not -(2**63) <= value < 2**63:
        raise NoValueError
    return value


def _divided(left: Any, right: Any) -> Any:
    if isinstance(left, float):
        return left / right if right else _without_end(left, right)
    if right == 0:
        raise NoValueError
    whole = abs(left) // abs(right)
    return _whole(whole if (left < 0) == (right < 0) else -whole)


def _without_end(left: float, right: float) -> float:
    if left == 0 or left != left:
        return float("nan")
    return float("inf") if (left > 0) == (str(right)[0] != "-") else float("-inf")


def _remainder(left: int, right: int) -> int:
    if right == 0:
        raise NoValueError
    whole: int = _divided(left, right)
    return left - right * whole


# --- Well-typed sources -------------------------------------------------------------------------------------------

_words = st.sampled_from(["a", "gold", "code", "en", "acme", "Trace", "caf\u00e9", "9000", "", "zz"])
_quoted = _words.map(lambda word: f"'{word}'")
_texts_plain = st.one_of(
    _quoted,
    st.sampled_from(["text", "tenant", "language", "route", "metadata.a", "metadata['n']", "metadata.missing"]),
)
_ints_plain = st.one_of(st.integers(-5, 50).map(str), st.sampled_from(["tokens", "turns", "9223372036854775807"]))
_doubles_plain = st.one_of(
    st.sampled_from(["confidence", "margin", "similarity", "0.75", "0.0", "1.5", "-2.25"]),
)


def _texts(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        _texts_plain,
        _texts_plain.map(lambda one: f"{one}.lower()"),
        st.tuples(_texts_plain, _texts_plain).map(lambda pair: f"({pair[0]} + {pair[1]})"),
        st.tuples(inner, _texts_plain, _texts_plain).map(lambda x: f"({x[0]} ? {x[1]} : {x[2]})"),
        _ints_plain.map(lambda one: f"string({one})"),
    )


def _numbers(inner: st.SearchStrategy[str]) -> tuple[st.SearchStrategy[str], st.SearchStrategy[str]]:
    times = ["FullYear", "Month", "Date", "DayOfMonth", "DayOfWeek", "DayOfYear", "Hours", "Minutes", "Seconds"]
    ints = st.one_of(
        _ints_plain,
        st.tuples(_ints_plain, st.sampled_from("+-*/%"), _ints_plain).map(lambda x: f"({x[0]} {x[1]} {x[2]})"),
        st.sampled_from([f"time.get{name}()" for name in times]),
        _texts_plain.map(lambda one: f"{one}.length()"),
        st.sampled_from(["int(metadata.n)", "int(metadata.a)", "int(1.5)", "size(metadata)", "[1, 2, 3][1]", "[1][3]"]),
        _ints_plain.map(lambda one: f"-({one})"),
    )
    doubles = st.one_of(
        _doubles_plain,
        st.tuples(_doubles_plain, st.sampled_from("+-*"), _doubles_plain).map(lambda x: f"({x[0]} {x[1]} {x[2]})"),
        _ints_plain.map(lambda one: f"double({one})"),
        st.sampled_from(["double(metadata.n)", "double(metadata.a)"]),
    )
    return ints, doubles


def _truths(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    texts, (ints, doubles) = _texts(inner), _numbers(inner)
    compare = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
    lists = st.lists(_quoted, min_size=1, max_size=3).map(lambda words: f"[{', '.join(words)}]")
    return st.one_of(
        st.tuples(inner, st.sampled_from(["&&", "||"]), inner).map(lambda x: f"({x[0]} {x[1]} {x[2]})"),
        inner.map(lambda one: f"!({one})"),
        st.tuples(texts, compare, texts).map(lambda x: f"({x[0]} {x[1]} {x[2]})"),
        st.tuples(st.one_of(ints, doubles), compare, st.one_of(ints, doubles)).map(lambda x: f"({x[0]} {x[1]} {x[2]})"),
        st.tuples(texts, st.sampled_from(["contains", "startsWith", "endsWith"]), texts).map(
            lambda x: f"{x[0]}.{x[1]}({x[2]})"
        ),
        st.tuples(texts, lists).map(lambda x: f"({x[0]} in {x[1]})"),
        st.tuples(_texts_plain, st.sampled_from([r"^Tr.*\\d+$", "(?i)GOLD", "(a|b)*c"])).map(
            lambda x: f"{x[0]}.matches('{x[1]}')"
        ),
        st.tuples(lists, st.sampled_from(["exists", "all", "exists_one"]), compare, _texts_plain).map(
            lambda x: f"{x[0]}.{x[1]}(w, w {x[2]} {x[3]})"
        ),
        st.sampled_from(
            [
                "has(metadata.a)",
                "has(metadata.missing)",
                "'n' in metadata",
                "metadata.exists(k, metadata[k] == 'gold')",
                "metadata.all(k, k.length() == 1)",
                "time < timestamp('2026-06-01T00:00:00Z')",
                "time - timestamp('2026-01-01T00:00:00Z') > duration('24h')",
            ]
        ),
    )


SOURCES: st.SearchStrategy[str] = st.recursive(
    st.sampled_from(["true", "false", "tokens > 10", "metadata.a == 'gold'", "metadata.missing == 'x'"]),
    _truths,
    max_leaves=6,
)
"""Conditions whose types fit."""
