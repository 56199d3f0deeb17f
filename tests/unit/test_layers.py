"""Imports point one way, as docs/architecture.md says."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PURE = {"wire", "mobility", "loadsharing", "routing"}
#: What everything above the pure layers may use.
BELOW = {*PURE, "domain", "framework", "clock", "rate_limiter"}
SERVICES = {"openflow", "signalling", "store"}
#: Layer -> the layers of the project that it may import. A layer is a folder or a module of ryu_pmipls, or ovs_setup.
ALLOWED: dict[str, set[str]] = {
    "clock": set(),
    "startup": set(),
    "framework": set(),
    "rate_limiter": set(),
    "domain": {"loadsharing"},
    "wire": set(),
    "mobility": {"wire"},
    "loadsharing": {"wire"},
    "routing": {"wire"},
    "ovs_setup": {"domain"},
    "simulator": {"loadsharing", "domain"},
    "openflow": {*BELOW},
    "signalling": {*BELOW},
    "store": {*BELOW},
    "control": {*BELOW, *SERVICES},
    "rest": {*BELOW, *SERVICES, "control"},
    "agents": {*BELOW, *SERVICES, "rest", "ovs_setup"},
    "doctor": {"domain", "ovs_setup", "signalling", "agents"},
}
TOP = {"rms", "lab", "cli"}
#: What pure code must not touch: sockets, clocks, processes, and Ryu's world.
IMPURE = {"asyncio", "eventlet", "os", "random", "ryu", "select", "socket", "subprocess", "threading", "time"}


def layer_of(path: Path) -> str:
    package, *rest = path.relative_to(ROOT).with_suffix("").parts
    return rest[0] if package == "ryu_pmipls" else package


def modules() -> list[Path]:
    paths = [*ROOT.glob("ryu_pmipls/**/*.py"), *ROOT.glob("ovs_setup/**/*.py")]
    return sorted(path for path in paths if path != ROOT / "ryu_pmipls" / "__init__.py")


def imports(path: Path) -> Iterator[str]:
    """The dotted names that a module imports, wherever in it; relative ones made absolute."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            origin = ".".join((*base, *filter(None, (node.module,))))
            yield from (f"{origin}.{name.name}" for name in node.names)


def project_layer(name: str) -> str | None:
    package, _, rest = name.partition(".")
    if package == "ovs_setup":
        return package
    return rest.partition(".")[0] if package == "ryu_pmipls" else None


def test_every_module_has_its_layer() -> None:
    assert {layer_of(path) for path in modules()} == {*ALLOWED, *TOP}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_direction_of_imports(path: Path) -> None:
    layer = layer_of(path)
    if layer in TOP:
        return
    used = {project_layer(name) for name in imports(path)} - {None, layer, "__version__"}
    assert used <= ALLOWED[layer], f"{layer} must not import {sorted(map(str, used - ALLOWED[layer]))}"


@pytest.mark.parametrize("layer", sorted(PURE))
def test_pure_layers_touch_no_socket_and_no_clock(layer: str) -> None:
    for path in (ROOT / "ryu_pmipls" / layer).rglob("*.py"):
        touched = {name.partition(".")[0] for name in imports(path)} & IMPURE
        assert not touched, f"{path.relative_to(ROOT)} imports {sorted(touched)}"


def test_only_the_framework_imports_ryu() -> None:
    users = {layer_of(path) for path in modules() for name in imports(path) if name.partition(".")[0] == "ryu"}
    assert users == {"framework"}
