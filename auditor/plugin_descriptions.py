"""Names, summaries and options of the plug-ins, read from their source: importing it takes seconds.

Modules of plug-ins import torch, scipy and statsmodels. Their options are plain assignments in one class,
which can be read without executing anything. Where a class is written in another way, its module is
imported after all.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import json
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from auditor import registry
from auditor.registry import Kind, Options


@dataclass(frozen=True)
class OptionDescription:
    """One option.

    Attributes:
        name: its key in the configuration.
        default: in JSON, or ``required``.
        text: what it means.
    """

    name: str
    default: str
    text: str


@dataclass(frozen=True)
class PluginDescription:
    """One plug-in.

    Attributes:
        name: in the configuration.
        summary: the first line of its documentation.
        options: in the order of the class.
    """

    name: str
    summary: str
    options: tuple[OptionDescription, ...]


class _NotLiteralError(Exception):
    """The source must be executed to know a value."""


def describe_plugins(kind: Kind) -> list[PluginDescription]:
    """All plug-ins of a kind, in alphabetical order.

    Raises:
        ConfigError: an entry point of another distribution can't be imported.
    """
    found = {one.name: one for path in _files(kind) for one in _of_file(path, kind)}
    others = registry.from_entry_points(kind)
    found |= {name: of_class(name, plugin) for name, plugin in others.items()}
    return [found[name] for name in sorted(found)]


def of_class(name: str, plugin: type[Options]) -> PluginDescription:
    """Describes a plug-in that is imported."""
    return PluginDescription(
        name,
        _first_line(plugin.__doc__),
        tuple(
            OptionDescription(key, _default(field), field.description or "")
            for key, field in plugin.model_fields.items()
        ),
    )


def _files(kind: Kind) -> Iterator[tuple[str, Path]]:
    """Name and file of every module of a kind; its package itself is not imported."""
    package = registry.PACKAGES[kind]
    folder = Path(__file__).parent.joinpath(*package.split(".")[1:])
    for module in pkgutil.iter_modules([str(folder)]):
        yield f"{package}.{module.name}", folder / f"{module.name}.py"


def _of_file(module: tuple[str, Path], kind: Kind) -> Iterator[PluginDescription]:
    name, path = module
    tree = ast.parse(path.read_text(encoding="utf-8"))
    constants = _assigned(tree.body)
    for node in tree.body:
        plugin = _registered_name(node, kind, constants)
        if plugin is None or not isinstance(node, ast.ClassDef):
            continue
        try:
            options = tuple(_options(node, constants))
        except _NotLiteralError:
            importlib.import_module(name)
            yield of_class(plugin, registry.get(kind, plugin))
        else:
            yield PluginDescription(plugin, _first_line(ast.get_docstring(node)), options)


def _registered_name(node: ast.stmt, kind: Kind, constants: dict[str, ast.expr]) -> str | None:
    """The name under which a class is registered by ``@plugin(kind, name)``."""
    for decorator in node.decorator_list if isinstance(node, ast.ClassDef) else ():
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "plugin":
            stated, name = (_value(one, constants) for one in decorator.args)
            if stated == kind:
                return str(name)
    return None


def _options(node: ast.ClassDef, constants: dict[str, ast.expr]) -> Iterator[OptionDescription]:
    for k, one in enumerate(node.body):
        if not isinstance(one, ast.AnnAssign) or not isinstance(one.target, ast.Name):
            continue
        if one.target.id.startswith("_") or ast.unparse(one.annotation).startswith("ClassVar"):
            continue
        after = node.body[k + 1] if k + 1 < len(node.body) else None
        text = (
            inspect.cleandoc(str(_value(after.value, constants)))
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            else ""
        )
        yield OptionDescription(one.target.id, _default_of(one.value, constants), text)


def _default_of(value: ast.expr | None, constants: dict[str, ast.expr]) -> str:
    if value is None:
        return "required"
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "Field":
        stated = [*value.args, *(one.value for one in value.keywords if one.arg == "default")]
        if not stated:
            if any(one.arg == "default_factory" for one in value.keywords):
                raise _NotLiteralError
            return "required"
        value = stated[0]
    return _json(_value(value, constants))


def _value(node: ast.expr, constants: dict[str, ast.expr]) -> Any:
    if isinstance(node, ast.Name) and node.id in constants:
        return _value(constants[node.id], {})
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise _NotLiteralError from None


def _assigned(body: list[ast.stmt]) -> dict[str, ast.expr]:
    """The values of a module's names that are assigned once, at its top level."""
    return {
        target.id: node.value
        for node in body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _first_line(documentation: str | None) -> str:
    return (documentation or "").strip().splitlines()[0]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return _json(field.get_default(call_default_factory=True))


def _json(value: Any) -> str:
    return json.dumps(value, default=str)
