"""Syntax: an expression becomes a tree. A subset of CEL, whose grammar is that of the language's definition."""

import ast
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Any, cast

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken, v_args
from lark.exceptions import VisitError

MAX_CHARACTERS = 2_000
MAX_BRACKETS = 32  # within brackets
MAX_DEPTH = 200  # of the tree: as many terms as may be joined by one kind of sign

_GRAMMAR = r"""
?start: choice
?choice: or_ | or_ "?" or_ ":" choice           -> choice
?or_: and_ | or_ "||" and_                      -> or_
?and_: relation | and_ "&&" relation            -> and_
?relation: sum_ | relation RELATION sum_        -> binary
         | relation IN sum_                     -> binary
?sum_: product | sum_ (PLUS | MINUS) product    -> binary
?product: unary | product TIMES unary           -> binary
?unary: member | "!" unary                      -> not_ | MINUS unary -> negative
?member: primary
       | member "." NAME                        -> field
       | member "." NAME "(" arguments ")"      -> method
       | member "[" choice "]"                  -> index
?primary: NAME                                  -> fact
        | NAME "(" arguments ")"                -> call
        | "(" choice ")"
        | "[" arguments "]"                     -> list_
        | literal
?literal: FLOAT -> float_ | INT -> int_ | STRING -> string | "true" -> true | "false" -> false
arguments: [choice ("," choice)* [","]]

RELATION: "==" | "!=" | "<=" | ">=" | "<" | ">"
IN: /in(?![A-Za-z0-9_])/
PLUS: "+"
MINUS: "-"
TIMES: "*" | "/" | "%"
NAME: /(?!(?:true|false|null|in)(?![A-Za-z0-9_]))[A-Za-z_][A-Za-z0-9_]*/
FLOAT: /[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+/
INT: /[0-9]+/
STRING.2: /[rR]?(?:"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')/
%ignore /[ \t\r\n]+/
%ignore /\/\/[^\n]*/
"""

_ESCAPES = re.compile(
    r"\\(?:[abfnrtv\\'\"?`]|x[0-9A-Fa-f]{2}|X[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[0-3][0-7]{2})"
)
_MAX_INT = 2**63 - 1


class FaultKind(StrEnum):
    """What is wrong with an expression."""

    SYNTAX = "syntax"
    NAME = "name"
    TYPE = "type"
    PATTERN = "pattern"
    COST = "cost"


class ConditionFault(Exception):
    """What is wrong with an expression, and where."""

    def __init__(self, kind: FaultKind, column: int, message: str) -> None:
        """Say it; `column` is from 0, in characters."""
        super().__init__(f"{message} (at character {column + 1})")
        self.kind = kind
        self.column = column


class NodeKind(StrEnum):
    """What a node is."""

    LITERAL = "literal"  # value: bool, int, float or str
    LIST = "list"
    FACT = "fact"  # value: its name
    FIELD = "field"  # value: its name; of the one child
    INDEX = "index"
    CALL = "call"  # value: the function
    METHOD = "method"  # value: the function; the first child is what it is called on
    OPERATOR = "operator"  # value: == != < <= > >= in + - * / % && || ! ?: or neg


@dataclass(frozen=True, slots=True)
class Node:
    """A part of an expression."""

    kind: NodeKind
    value: Any
    children: tuple["Node", ...] = ()
    column: int = 0

    def __eq__(self, other: object) -> bool:
        """Whether both say the same, wherever they stand."""
        if not isinstance(other, Node):
            return NotImplemented
        mine, theirs = (self.kind, type(self.value), self.value), (other.kind, type(other.value), other.value)
        return mine == theirs and self.children == other.children

    def __hash__(self) -> int:
        return hash((self.kind, self.value, self.children))


def parse(source: str) -> Node:
    """The tree of an expression.

    Raises:
        ConditionFault: SYNTAX, or COST for one that is too long or too deep.
    """
    if len(source) > MAX_CHARACTERS:
        raise ConditionFault(
            FaultKind.COST, MAX_CHARACTERS, f"the expression has more than {MAX_CHARACTERS} characters"
        )
    _check_nesting(source)
    try:
        tree = cast("Node", _parser().parse(source))  # the transformer makes nodes of trees
    except UnexpectedInput as error:
        raise _unexpected(error, source) from None
    except VisitError as error:
        if isinstance(error.orig_exc, ConditionFault):
            raise error.orig_exc from None
        raise
    _check_depth(tree)
    return tree


def _check_depth(tree: Node) -> None:
    """Refuse a tree that whoever walks it could not get to the bottom of."""
    level, depth = [tree], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise ConditionFault(FaultKind.COST, 0, f"the expression has parts within parts more than {MAX_DEPTH} deep")
        level = [child for node in level for child in node.children]


def _check_nesting(source: str) -> None:
    """Refuse what would nest too deeply, before it is parsed."""
    depth = 0
    for place, character in enumerate(re.sub(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'", _blank, source)):
        depth += (character in "([") - (character in ")]")
        if depth > MAX_BRACKETS:
            raise ConditionFault(FaultKind.COST, place, f"more than {MAX_BRACKETS} brackets stand within brackets")


def _blank(found: re.Match[str]) -> str:
    return " " * len(found.group())


def _unexpected(error: UnexpectedInput, source: str) -> ConditionFault:
    if isinstance(error, UnexpectedEOF) or (isinstance(error, UnexpectedToken) and error.token.type == "$END"):
        return ConditionFault(FaultKind.SYNTAX, len(source), "the expression ends too early")
    column = max(0, error.pos_in_stream or 0)
    if isinstance(error, UnexpectedCharacters):
        sign = source[column : column + 1]
        if source[column:].startswith("null"):
            return ConditionFault(
                FaultKind.SYNTAX, column, "there is no null here: has() says whether metadata has a key"
            )
        hint = ": write && for and, || for or" if sign in "&|" else ": write == to compare" if sign == "=" else ""
        return ConditionFault(FaultKind.SYNTAX, column, f"{sign!r} cannot be read here{hint}")
    token = error.token if isinstance(error, UnexpectedToken) else source[column : column + 10]
    return ConditionFault(FaultKind.SYNTAX, column, f"{str(token)!r} was not expected here")


def _literal_fault(token: Token, message: str) -> ConditionFault:
    return ConditionFault(FaultKind.SYNTAX, token.start_pos or 0, message)


@v_args(inline=True)
class _Builder(Transformer[Token, Node]):
    """Makes nodes of the grammar's rules."""

    def choice(self, when: Node, then: Node, otherwise: Node) -> Node:
        return Node(NodeKind.OPERATOR, "?:", (when, then, otherwise), when.column)

    def or_(self, left: Node, right: Node) -> Node:
        return Node(NodeKind.OPERATOR, "||", (left, right), left.column)

    def and_(self, left: Node, right: Node) -> Node:
        return Node(NodeKind.OPERATOR, "&&", (left, right), left.column)

    def binary(self, left: Node, sign: Token, right: Node) -> Node:
        return Node(NodeKind.OPERATOR, str(sign), (left, right), sign.start_pos or 0)

    def not_(self, of: Node) -> Node:
        return Node(NodeKind.OPERATOR, "!", (of,), of.column)

    def negative(self, sign: Token, of: Node) -> Node:
        if of.kind is NodeKind.LITERAL and type(of.value) in (int, float):
            return Node(NodeKind.LITERAL, -of.value, (), sign.start_pos or 0)
        return Node(NodeKind.OPERATOR, "neg", (of,), sign.start_pos or 0)

    def field(self, of: Node, name: Token) -> Node:
        return Node(NodeKind.FIELD, str(name), (of,), name.start_pos or 0)

    def method(self, of: Node, name: Token, arguments: tuple[Node, ...]) -> Node:
        return Node(NodeKind.METHOD, str(name), (of, *arguments), name.start_pos or 0)

    def index(self, of: Node, at: Node) -> Node:
        return Node(NodeKind.INDEX, "[]", (of, at), at.column)

    def fact(self, name: Token) -> Node:
        return Node(NodeKind.FACT, str(name), (), name.start_pos or 0)

    def call(self, name: Token, arguments: tuple[Node, ...]) -> Node:
        return Node(NodeKind.CALL, str(name), arguments, name.start_pos or 0)

    def list_(self, elements: tuple[Node, ...]) -> Node:
        return Node(NodeKind.LIST, "[]", elements, elements[0].column if elements else 0)

    def arguments(self, *nodes: Node | None) -> tuple[Node, ...]:
        return tuple(node for node in nodes if isinstance(node, Node))

    def float_(self, token: Token) -> Node:
        value = float(token)
        if value in (float("inf"), float("-inf")):
            raise _literal_fault(token, f"{token} is too large a number")
        return Node(NodeKind.LITERAL, value, (), token.start_pos or 0)

    def int_(self, token: Token) -> Node:
        value = int(token) if len(token) < 20 else _MAX_INT + 1
        if value > _MAX_INT:
            raise _literal_fault(token, f"{token} is too large a number")
        return Node(NodeKind.LITERAL, value, (), token.start_pos or 0)

    def string(self, token: Token) -> Node:
        return Node(NodeKind.LITERAL, _unquoted(token), (), token.start_pos or 0)

    def true(self) -> Node:
        return Node(NodeKind.LITERAL, True)

    def false(self) -> Node:
        return Node(NodeKind.LITERAL, False)


def _unquoted(token: Token) -> str:
    """What a string literal stands for."""
    if token[0] in "rR":
        return str(token[2:-1])
    inner = str(token[1:-1])
    leftover = _ESCAPES.sub("", inner)
    if "\\" in leftover:
        raise _literal_fault(token, "a backslash in a string begins an escape: double it, or write r'...'")
    text = _ESCAPES.sub(_escape, inner)
    if any(0xD800 <= ord(character) <= 0xDFFF for character in text):
        raise _literal_fault(token, "half of a surrogate pair is no character")
    return text


def _escape(found: re.Match[str]) -> str:
    code = found.group()[1:]
    if code in "?`":
        return code
    if code[0] in "xXuU":
        return _character(int(code[1:], 16))
    if code[0].isdigit():
        return _character(int(code, 8))
    return str(ast.literal_eval(f'"\\{code}"'))


def _character(number: int) -> str:
    return chr(number) if number <= 0x10FFFF else "\ud800"  # which is refused


@cache
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr", transformer=_Builder(), maybe_placeholders=False)


def conjuncts(node: Node) -> list[Node]:
    """What must all be true for the expression to be true; itself where it is no `&&`."""
    if node.kind is NodeKind.OPERATOR and node.value == "&&":
        return [part for child in node.children for part in conjuncts(child)]
    return [node]
