"""What DeepSpeed's op_builder makes of an architecture, understood from its text. None of it is run."""

import ast
import operator
import re
from collections.abc import Mapping, Sequence
from typing import Any

from sparkdoctor.architecture import Capability
from sparkdoctor.record import NamedTuple

_MOST = 200
"""Nothing that goes into an architecture's name is longer; a text that says otherwise is not DeepSpeed's."""
_METHODS = ("split", "replace", "strip", "removesuffix", "endswith")
_COMPARISONS: dict[type[ast.cmpop], Any] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
}


class Reading(NamedTuple):
    """What a builder makes of one capability; None where its text does not let us see that.

    `number` is what it puts behind `compute_`: 121 for 12.1, or `1.` in versions that know one-digit majors only. `bf16`
    tells whether that stays on; `pruned` names the operators that are left without any architecture.
    """

    number: str | None
    bf16: bool | None
    pruned: tuple[str, ...] = ()


class _Unclear(Exception):  # noqa: N818 (it never leaves this module)
    """An expression of a kind that these functions do not hold."""


def read(arguments: str, base_filter: str, filters: Mapping[str, str], capability: Capability) -> Reading:
    """The reading of one capability from the texts of `compute_capability_args`, `filter_ccs`, and other operators' filters."""
    entry = f"{capability}+PTX"  # as at first use
    statements = _body(arguments)
    begins = next((number for number, statement in enumerate(statements, 1) if _is_filter(statement)), None)
    kept = [_try(node.value, {"ccs": [entry]}) for node in _body(base_filter) if isinstance(node, ast.Return) and node.value]
    said: dict[str, Any] = {}
    if begins is not None and kept and isinstance(kept[0], list):
        _follow(statements[begins:], {}, kept[0][0], said)
    pruned = tuple(name for name, text in filters.items() if _keeps(text, entry) is False)
    return Reading(said.get("number"), said.get("bf16"), pruned)


def parse_accepted(text: str) -> Mapping[int, tuple[str, ...]] | None:
    """The table `cuda_minor_mismatch_ok`; None where the text does not hold one."""
    found = re.search(r"cuda_minor_mismatch_ok\s*=\s*(\{.*?\})", text, re.DOTALL)
    try:
        table = ast.literal_eval(found[1]) if found else None
        return None if table is None else {int(major): tuple(map(str, versions)) for major, versions in table.items()}
    except (SyntaxError, ValueError, TypeError, AttributeError, RecursionError, MemoryError):
        return None


def _body(method: str) -> list[ast.stmt]:
    """The statements of a method, cut out of its class from its name up to the next `def`; none where it is no Python."""
    text = re.sub(r"(\n    @\S+)+\s*$", "", method)  # the decorators of the next one
    try:
        tree = ast.parse(f"class _:\n    def {text}\n")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    match tree.body[0]:
        case ast.ClassDef(body=[ast.FunctionDef(body=body), *_]):
            return body
    return []


def _is_filter(statement: ast.stmt) -> bool:
    match statement:
        case ast.Assign(value=ast.Call(func=ast.Attribute(attr="filter_ccs"))):
            return True
    return False


def _follow(statements: Sequence[ast.stmt], names: dict[str, Any], entry: Any, said: dict[str, Any]) -> None:
    """Follow what a builder does with one entry of its list, in the order in which it stands; `said` gets what that shows."""
    for statement in statements:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                names[name] = _try(value, names)
            case ast.For(target=target, body=body):
                if isinstance(target, ast.Name):
                    names[target.id] = entry
                _follow(body, names, entry, said)
            case ast.If(test=test, body=body) if any(map(_turns_bf16_off, body)):
                found = _try(test, _without_marks(names))
                said["bf16"] = None if found is None else not found
            case ast.If(test=test, body=body, orelse=otherwise):
                _follow(otherwise if _try(test, names) is False else body, names, entry, said)
            case ast.Expr(value=ast.Call(args=[ast.JoinedStr() as text])):
                flag = re.match(r"-gencode=arch=compute_([^,]*),", str(_try(text, names)))
                if flag:
                    said.setdefault("number", flag[1])


def _without_marks(names: dict[str, Any]) -> dict[str, Any]:
    """The names, and those of later loops over the same values: `for (major, _minor), _has_ptx in …`."""
    return {f"_{name}": value for name, value in names.items()} | names


def _turns_bf16_off(statement: ast.stmt) -> bool:
    match statement:
        case ast.Assign(targets=[ast.Attribute(attr="enable_bf16")], value=ast.Constant(value=False)):
            return True
    return False


def _keeps(text: str, entry: str) -> bool | None:
    """Whether an operator's filter leaves this entry in the list."""
    for statement in _body(text):
        match statement:
            case ast.For(target=ast.Name(id=name), iter=entries, body=[ast.If(test=test), *_]):
                items = _try(entries, {"ccs": [entry]})
                kept = _try(test, {name: items[0]}) if isinstance(items, list) and items else None
                return kept if isinstance(kept, bool) else None
    return None


def _try(node: ast.expr, names: Mapping[str, Any]) -> Any:
    try:
        return _value(node, names)
    except (_Unclear, ValueError, TypeError, IndexError, RecursionError):
        return None


def _value(node: ast.expr, names: Mapping[str, Any]) -> Any:
    found = _evaluate(node, names)
    if isinstance(found, str | list) and len(found) > _MOST:
        raise _Unclear
    return found


def _evaluate(node: ast.expr, names: Mapping[str, Any]) -> Any:
    """An expression of strings, lists and small numbers."""
    match node:
        case ast.Constant(value=str() | int() as value):
            return value
        case ast.Name(id=name) if names.get(name) is not None:
            return names[name]
        case ast.Subscript(value=inner, slice=index):
            return _value(inner, names)[_value(index, names)]
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _value(left, names) + _value(right, names)
        case ast.JoinedStr(values=parts):
            return "".join(str(_value(part, names)) for part in parts)
        case ast.FormattedValue(value=inner, format_spec=None):
            return _value(inner, names)
        case ast.Compare(left=left, ops=[test], comparators=[right]) if type(test) in _COMPARISONS:
            return _COMPARISONS[type(test)](_value(left, names), _value(right, names))
        case ast.Call(func=function, args=given, keywords=[]):
            return _call(function, [_value(argument, names) for argument in given], names)
        case ast.ListComp(elt=each, generators=[ast.comprehension(target=ast.Name(id=name), iter=items, ifs=[])]):
            return [_value(each, {**names, name: item}) for item in _value(items, names)]
    raise _Unclear


def _call(function: ast.expr, given: list[Any], names: Mapping[str, Any]) -> Any:
    match function:
        case ast.Name(id="int"):
            return int(*given)
        case ast.Attribute(value=inner, attr=method) if method in _METHODS:
            return getattr(str, method)(_value(inner, names), *given)
    raise _Unclear
