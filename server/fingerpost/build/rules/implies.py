"""Implies: does one expression force another, or can it never be true? Sound, not complete: what is found is so."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from fingerpost.build.rules.needs import key_of
from fingerpost.build.rules.syntax import Node, NodeKind, conjuncts

_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_NEGATED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}


def implies(one: Node, other: Node) -> bool:
    """Whether the second is true whenever the first is."""
    mine = conjuncts(one)
    return never(one) or all(_is_literal(part, value=True) or _any_forces(mine, part) for part in conjuncts(other))


def never(node: Node) -> bool:
    """Whether the expression is never true."""
    parts = conjuncts(node)
    if any(_is_literal(part, value=False) for part in parts):
        return True
    return any(_excludes(one, other) for place, one in enumerate(parts) for other in parts[place + 1 :])


def always(node: Node) -> bool:
    """Whether the expression is true for every request."""
    return all(_is_literal(part, value=True) for part in conjuncts(node))


def _any_forces(parts: Sequence[Node], wanted: Node) -> bool:
    if wanted.kind is NodeKind.OPERATOR and wanted.value == "||":
        return any(_any_forces(parts, child) for child in wanted.children) or any(_forces(p, wanted) for p in parts)
    return any(_forces(part, wanted) for part in parts)


def _forces(one: Node, other: Node) -> bool:
    """Whether one conjunct forces another."""
    if one == other:
        return True
    if one.kind is NodeKind.OPERATOR and one.value == "||":
        return all(any(_forces(part, other) for part in conjuncts(child)) for child in one.children)
    mine, theirs = _texts(one), _texts(other)
    if mine is not None and theirs is not None and mine[0] == theirs[0]:
        return mine[1] <= theirs[1]
    if mine is not None:  # equal to one of a few texts: what holds for each of them
        return bool(mine[1]) and all(_holds_of_text(other, mine[0], text) for text in mine[1])
    return _text_part_forces(one, other) or _bound_forces(one, other)


def _excludes(one: Node, other: Node) -> bool:
    """Whether two conjuncts cannot both be true."""
    for first, second in ((one, other), (other, one)):
        if second.kind is NodeKind.OPERATOR and second.value == "!" and _forces(first, second.children[0]):
            return True
        texts = _texts(first)
        if texts is not None and texts[1] and all(_fails_for_text(second, texts[0], text) for text in texts[1]):
            return True
        comparison = _comparison(second)
        if comparison is not None:
            subject, sign, bound = comparison
            if _forces(first, _compared(subject, _NEGATED[sign], bound)):
                return True
    return False


def _texts(node: Node) -> tuple[Node, frozenset[str]] | None:
    """What is said to equal one of some literals, and these."""
    if node.kind is not NodeKind.OPERATOR or node.value not in ("==", "in"):
        return None
    left, right = node.children
    if node.value == "in":
        values = right.children if right.kind is NodeKind.LIST else ()
        return (left, _literals(values)) if values and len(_literals(values)) and _all_texts(values) else None
    for subject, literal in ((left, right), (right, left)):
        if literal.kind is NodeKind.LITERAL and isinstance(literal.value, str) and subject.kind is not NodeKind.LITERAL:
            return subject, frozenset({literal.value})
    return None


def _all_texts(nodes: Sequence[Node]) -> bool:
    return all(node.kind is NodeKind.LITERAL and isinstance(node.value, str) for node in nodes)


def _literals(nodes: Sequence[Node]) -> frozenset[str]:
    return frozenset(node.value for node in nodes if node.kind is NodeKind.LITERAL and isinstance(node.value, str))


def _holds_of_text(node: Node, subject: Node, text: str) -> bool:
    """Whether a conjunct is true where the subject is this text."""
    return _truth(node, subject, text) is True


def _fails_for_text(node: Node, subject: Node, text: str) -> bool:
    return _truth(node, subject, text) is False


def _truth(node: Node, subject: Node, text: str) -> bool | None:
    """What a conjunct is where the subject is this text; None where that does not tell."""
    part = _text_part(node)
    if part is not None and part[0] == subject:
        return _IN_TEXT[part[1]](text, part[2])
    texts = _texts(node)
    if texts is not None and texts[0] == subject:
        return text in texts[1]
    if node.kind is NodeKind.OPERATOR and node.value == "!=":
        equal = _texts(Node(NodeKind.OPERATOR, "==", node.children))
        return text not in equal[1] if equal is not None and equal[0] == subject else None
    if node.kind is NodeKind.OPERATOR and node.value == "!":
        inner = _truth(node.children[0], subject, text)
        return None if inner is None else not inner
    return None


_IN_TEXT: Mapping[str, Callable[[str, str], bool]] = {
    "contains": lambda text, literal: literal in text,
    "startsWith": str.startswith,
    "endsWith": str.endswith,
}


def _text_part(node: Node) -> tuple[Node, str, str] | None:
    """What is said to contain, begin or end with a literal."""
    if node.kind is NodeKind.METHOD and node.value in ("contains", "startsWith", "endsWith"):
        subject, literal = node.children
        if literal.kind is NodeKind.LITERAL and isinstance(literal.value, str):
            return subject, node.value, literal.value
    return None


def _text_part_forces(one: Node, other: Node) -> bool:
    mine, theirs = _text_part(one), _text_part(other)
    if mine is None or theirs is None or mine[0] != theirs[0]:
        return False
    if theirs[1] == "contains":
        return theirs[2] in mine[2]
    if theirs[1] != mine[1]:
        return False
    return mine[2].startswith(theirs[2]) if theirs[1] == "startsWith" else mine[2].endswith(theirs[2])


def _comparison(node: Node) -> tuple[Node, str, float] | None:
    """What is compared with a number, and how: the number last."""
    if node.kind is not NodeKind.OPERATOR or node.value not in _MIRRORED:
        return None
    left, right = node.children
    if _is_number(right) and not _is_number(left):
        return left, node.value, right.value
    if _is_number(left) and not _is_number(right):
        return right, _MIRRORED[node.value], left.value
    return None


def _compared(subject: Node, sign: str, bound: float) -> Node:
    return Node(NodeKind.OPERATOR, sign, (subject, Node(NodeKind.LITERAL, bound)))


def _is_number(node: Node) -> bool:
    return node.kind is NodeKind.LITERAL and type(node.value) in (int, float)


def _bound_forces(one: Node, other: Node) -> bool:
    mine, theirs = _comparison(one), _comparison(other)
    if mine is None or theirs is None or mine[0] != theirs[0]:
        return False
    (_, sign, bound), (_, wanted, limit) = mine, theirs
    if sign == "==":
        return {
            "<": bound < limit,
            "<=": bound <= limit,
            ">": bound > limit,
            ">=": bound >= limit,
            "==": bound == limit,
            "!=": bound != limit,
        }[wanted]
    if wanted in ("<", "<="):
        return sign in ("<", "<=") and (bound < limit or (bound == limit and (wanted == "<=" or sign == "<")))
    if wanted in (">", ">="):
        return sign in (">", ">=") and (bound > limit or (bound == limit and (wanted == ">=" or sign == ">")))
    if wanted == "!=":
        return (
            (sign == "<" and bound <= limit)
            or (sign == ">" and bound >= limit)
            or (sign in ("<=", ">=") and (bound < limit if sign == "<=" else bound > limit))
        )
    return False


def _is_literal(node: Node, *, value: bool) -> bool:
    return node.kind is NodeKind.LITERAL and node.value is value


def unguarded_keys(node: Node) -> Iterator[str]:
    """Keys of metadata that it reads although nothing before says that they are there."""
    yield from _unguarded(node, frozenset())


def _unguarded(node: Node, known: frozenset[str]) -> Iterator[str]:
    if node.kind is NodeKind.CALL and node.value == "has":
        return
    if node.kind is NodeKind.OPERATOR and node.value == "&&":
        for part in conjuncts(node):
            yield from _unguarded(part, known)
            known = known | set(_said_to_be_there(part))
        return
    key = key_of(node)
    if key is not None and key not in known:
        yield key
    for child in node.children:
        yield from _unguarded(child, known)


def _said_to_be_there(node: Node) -> Iterator[str]:
    if node.kind is NodeKind.CALL and node.value == "has":
        yield str(node.children[0].value)
    if node.kind is NodeKind.OPERATOR and node.value == "in" and node.children[1].value == "metadata":
        key = node.children[0]
        if key.kind is NodeKind.LITERAL and isinstance(key.value, str):
            yield key.value
