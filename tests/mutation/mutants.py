"""Small faults in a module's source: each changes one comparison, one operator or one call."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

Change = Callable[[Any], None]

_COMPARISONS: dict[type, type] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_OPERATORS: dict[type, type] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.Mult,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}


class Mutant(NamedTuple):
    """The fault number ``number`` of a module, in ``line``, with what is written there in place of what."""

    path: Path
    number: int
    line: int
    text: str


def mutants(path: Path) -> list[Mutant]:
    """All of a module. Logging and types are left alone, for no behaviour depends on them."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = []
    for number, (node, change) in enumerate(_changes(tree)):
        before, after = copy.deepcopy(node), copy.deepcopy(node)
        change(after)
        found.append(Mutant(path, number, node.lineno, f"{_line(before)}  ->  {_line(after)}"))
    return found


def mutated(mutant: Mutant) -> ast.Module:
    """The module with the fault in it."""
    tree = ast.parse(mutant.path.read_text(encoding="utf-8"))
    node, change = [*_changes(tree)][mutant.number]
    change(node)
    return ast.fix_missing_locations(tree)


def _line(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 70 else f"{text[:67]}..."


def _changes(tree: ast.AST) -> Iterator[tuple[Any, Change]]:
    """Nodes, and what puts the fault into such a node or a copy of it."""
    for node in _behaviour(tree):
        if isinstance(node, ast.Compare):
            for place, operator in enumerate(node.ops):
                yield node, partial(_compare, place, _COMPARISONS[type(operator)])
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr) and _is_none(node.right):
            continue  # a type
        elif isinstance(node, (ast.BoolOp, ast.BinOp, ast.AugAssign)) and type(node.op) in _OPERATORS:
            yield node, partial(_operate, _OPERATORS[type(node.op)])
        elif isinstance(node, (ast.If, ast.While, ast.IfExp)) and not isinstance(node.test, (ast.Compare, ast.BoolOp)):
            yield node, _negate
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            yield node, _leave_out
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _CALLS:
            yield node, partial(_call, _CALLS[node.func.id])


def _compare(place: int, operator: type, node: Any) -> None:
    node.ops[place] = operator()


def _operate(operator: type, node: Any) -> None:
    node.op = operator()


def _negate(node: Any) -> None:
    node.test = ast.UnaryOp(ast.Not(), node.test)


def _leave_out(node: Any) -> None:
    node.value = ast.Constant(None)


def _call(name: str, node: Any) -> None:
    node.func.id = name


def _behaviour(node: ast.AST) -> Iterator[Any]:
    """All nodes but those of annotations, logging, assertions and imports for types."""
    for name, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or name in ("annotation", "returns") or isinstance(child, ast.Assert):
                continue
            text = ast.unparse(child) if isinstance(child, (ast.Expr, ast.If)) else ""
            if text.startswith(("LOG.", "if TYPE_CHECKING", "if __name__")):
                continue
            yield child
            yield from _behaviour(child)


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
