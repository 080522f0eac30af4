"""Needs: without which literals can an expression not be true? So that most rules cost one look at the text."""

from fingerpost.build.rules.syntax import Node, NodeKind, conjuncts
from fingerpost.types import Need, NeedKind

_CALLED = {"contains": NeedKind.CONTAINS, "startsWith": NeedKind.STARTS_WITH, "endsWith": NeedKind.ENDS_WITH}
_COMPARED = frozenset({"text", "tenant", "language", "route"})


def needs(node: Node) -> tuple[Need, ...]:
    """Literals that must be there for the expression to be true.

    Where one is not there the expression is false, whatever its other parts are: in CEL false && error is false. Of a
    key of metadata that is missing nothing is said.
    """
    found = (_need(part) for part in conjuncts(node))
    return tuple(need for need in found if need is not None)


def _need(node: Node) -> Need | None:
    if node.kind is NodeKind.METHOD and node.value in _CALLED:
        return _of(node.children[0], _CALLED[node.value], (node.children[1],))
    if node.kind is not NodeKind.OPERATOR or node.value not in ("==", "in"):
        return None
    left, right = node.children
    if node.value == "in":
        return _of(left, NeedKind.EQUALS, right.children) if right.kind is NodeKind.LIST else None
    return _of(left, NeedKind.EQUALS, (right,)) or _of(right, NeedKind.EQUALS, (left,))


def _of(node: Node, kind: NeedKind, literals: tuple[Node, ...]) -> Need | None:
    """The need of a fact that is a text, where all it is compared with are literals."""
    if not all(one.kind is NodeKind.LITERAL and isinstance(one.value, str) for one in literals):
        return None
    values = tuple(one.value for one in literals)
    if node.kind is NodeKind.FACT and node.value in _COMPARED:
        return Need(node.value, kind, values)
    key = key_of(node)
    return None if key is None else Need("metadata", kind, values, key)


def key_of(node: Node) -> str | None:
    """The key that is read of metadata, where the node does that: metadata.key or metadata["key"]."""
    if not node.children or node.children[0].kind is not NodeKind.FACT or node.children[0].value != "metadata":
        return None
    if node.kind is NodeKind.FIELD:
        return str(node.value)
    if node.kind is NodeKind.INDEX and isinstance(node.children[1].value, str):
        return node.children[1].value if node.children[1].kind is NodeKind.LITERAL else None
    return None
