"""The part of Jinja2 that templates may use, checked before anything is compiled.

Whatever passes ends soon. Loops run over the passages and the earlier turns alone, two deep at
most; nothing is called, assigned or multiplied, and no filter makes a text longer but by what
the template itself holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Never

from jinja2 import nodes

from smartypants.errors import PromptInvalid
from smartypants.ledger.columns import storable

FILTERS: Final = frozenset(
    {"capitalize", "default", "first", "last", "length", "lower", "title", "trim", "truncate",
     "upper"}
)  # fmt: skip
TESTS: Final = frozenset({"defined", "even", "none", "odd"})
FIELDS: Final = frozenset({"text", "context", "title", "uri", "index", "role", "content"})
LOOP_FIELDS: Final = frozenset({"index", "index0", "revindex", "revindex0", "first", "last",
                                "length"})  # fmt: skip
SEQUENCES: Final = frozenset({"passages", "history"})

MAX_DEPTH: Final = 40
MAX_LOOPS: Final = 16
MAX_NESTED_LOOPS: Final = 2

_PLAIN: Final = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Slice, nodes.If, nodes.CondExpr,
    nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.Neg, nodes.Add, nodes.Sub,
    nodes.Concat,
)  # fmt: skip
_CALLED: Final[dict[type[nodes.Node], str]] = {
    nodes.Call: "A call", nodes.Mul: "`*`", nodes.Pow: "`**`", nodes.Mod: "`%`", nodes.Div: "`/`",
    nodes.FloorDiv: "`//`", nodes.Assign: "`set`", nodes.AssignBlock: "`set`", nodes.With: "`with`",
    nodes.Macro: "`macro`", nodes.CallBlock: "`call`", nodes.FilterBlock: "`filter`",
    nodes.Include: "`include`", nodes.Import: "`import`", nodes.FromImport: "`import`",
    nodes.Extends: "`extends`", nodes.Block: "`block`",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the tree a check is, and which names mean something there."""

    names: frozenset[str]
    depth: int = 0
    loops: int = 0


class Grammar:
    """Checks one syntax tree; `used` are the variables that it has.

    >>> grammar = Grammar(frozenset({"question"}), where="message 1 (user)")
    >>> grammar.check(environment.parse("{{ question }}"))
    """

    def __init__(self, variables: frozenset[str], *, where: str) -> None:
        self.used: set[str] = set()
        self._variables = variables
        self._where = where
        self._loops = 0

    def check(self, tree: nodes.Template) -> None:
        """Raises `PromptInvalid`, which says what is not allowed and in which line."""
        self._check(tree, _Place(self._variables))

    def _check(self, node: nodes.Node, place: _Place) -> None:
        place = replace(place, depth=place.depth + 1)
        if place.depth > MAX_DEPTH:
            self._refuse(node, f"it is nested more than {MAX_DEPTH} deep")
        match node:
            case nodes.Name():
                self._name(node, place)
            case nodes.For():
                return self._loop(node, place)
            case nodes.Const():
                if isinstance(node.value, str) and storable(node.value) != node.value:
                    self._refuse(node, "a text has a character that can't be stored")
            case nodes.Getattr():
                self._field(node, node.attr)
            case nodes.Getitem():
                self._item(node)
            case nodes.Filter():
                self._one_of(node, node.name, FILTERS, "filter")
            case nodes.Test():
                self._one_of(node, node.name, TESTS, "test")
            case _ if not isinstance(node, _PLAIN):
                what = _CALLED.get(type(node), f"`{type(node).__name__.lower()}`")
                self._refuse(node, f"{what} is not allowed")
        for child in node.iter_child_nodes():
            self._check(child, place)

    def _name(self, node: nodes.Name, place: _Place) -> None:
        if node.name not in place.names:
            known = ", ".join(sorted(self._variables))
            self._refuse(node, f"there is no variable `{node.name}`; there are {known}")
        if node.name in self._variables:
            self.used.add(node.name)

    def _loop(self, node: nodes.For, place: _Place) -> None:
        self._loops += 1
        if node.recursive or self._loops > MAX_LOOPS or place.loops == MAX_NESTED_LOOPS:
            self._refuse(
                node,
                f"at most {MAX_LOOPS} loops are allowed, {MAX_NESTED_LOOPS} deep, none recursive",
            )
        over = node.iter
        if isinstance(over, nodes.Getitem) and isinstance(over.arg, nodes.Slice):
            over = over.node
        if not isinstance(over, nodes.Name) or over.name not in SEQUENCES & self._variables:
            names = " or ".join(f"`{name}`" for name in sorted(SEQUENCES & self._variables))
            self._refuse(node, f"a loop runs over {names or 'nothing here'}, or a slice")
        target = node.target
        if not isinstance(target, nodes.Name) or target.name in self._variables | {"loop"}:
            self._refuse(node, "a loop's variable is one name that means nothing else")
        self._check(node.iter, place)
        inside = replace(place, names=place.names | {target.name, "loop"}, loops=place.loops + 1)
        self._all([*([node.test] if node.test else []), *node.body], inside)
        self._all(node.else_, place)

    def _all(self, children: Iterable[nodes.Node], place: _Place) -> None:
        for child in children:
            self._check(child, place)

    def _item(self, node: nodes.Getitem) -> None:
        match node.arg:
            case nodes.Const(value=str() as name):
                self._field(node, name)
            case nodes.Const(value=int()) | nodes.Neg(node=nodes.Const(value=int())):
                pass
            case nodes.Slice():
                pass
            case _:
                self._refuse(node, "what stands in [] is a number, a slice or a field")

    def _field(self, node: nodes.Node, name: str) -> None:
        self._one_of(node, name, FIELDS | LOOP_FIELDS, "field")

    def _one_of(self, node: nodes.Node, name: str, known: frozenset[str], what: str) -> None:
        if name not in known:
            self._refuse(node, f"there is no {what} `{name}`; there are {', '.join(sorted(known))}")

    def _refuse(self, node: nodes.Node, why: str) -> Never:
        raise refusal(self._where, node.lineno, why)


def refusal(where: str, line: int | None, why: str) -> PromptInvalid:
    place = where if line is None else f"{where}, line {line}"
    return PromptInvalid(f"{place[0].upper()}{place[1:]}: {why}.", "See docs/prompts.md.")
