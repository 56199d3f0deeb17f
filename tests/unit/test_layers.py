"""Walls of the house: which folder may import which, as docs/architecture.md draws them."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PURE = {"wire", "mobility", "loadsharing", "controller.bindings"}
#: What any process may use.
SHARED = {
    *("wire", "domain", "signalling", "http", "pki", "ipsec"),
    *("clock", "descriptors", "log_format", "rate_limiter", "state_files"),
}
CONTROLLER = {f"controller.{part}" for part in ("bindings", "fast", "ryu", "store", "switches")}
#: Layer -> the layers of the project that it may import. A layer is a folder or a module of ryu_pmipls, a folder of its
#: controller, or ovs_setup.
ALLOWED: dict[str, set[str]] = {
    "capabilities": set(),
    "clock": set(),
    "descriptors": set(),
    "startup": set(),
    "rate_limiter": set(),
    "state_files": set(),
    "log_format": set(),
    "wire": set(),
    "mobility": {"wire"},
    "loadsharing": {"wire"},
    "domain": {"loadsharing"},
    "http": {"domain", "pki", "rate_limiter", "state_files"},
    "pki": {"domain"},
    "signalling": {"wire", "domain", "clock", "rate_limiter"},
    "ipsec": {"domain", "signalling", "pki"},
    "ovs_setup": {"domain", "signalling", "pki", "ipsec"},
    "simulator": {"loadsharing", "domain"},
    "doctor": {"domain", "signalling", "ovs_setup", "ipsec"},
    # The agents' processes: nothing of the controller's.
    "agents": {*SHARED, "mobility", "loadsharing", "ovs_setup", "doctor"},
    # The controller's process: nothing of the agents'.
    "controller.ryu": {"rate_limiter"},
    "controller.bindings": {"wire"},
    "controller.fast": {"wire", "controller.bindings", "controller.switches"},
    "controller.store": {"loadsharing", "controller.bindings"},
    "controller.switches": {"wire", "loadsharing", "domain", "rate_limiter", *CONTROLLER} - {"controller.store"},
    "controller": {*SHARED, "loadsharing", *CONTROLLER} - {"http"},
    "controller.api": {*SHARED, "loadsharing", *CONTROLLER, "controller"},
    "rms": {*SHARED, *CONTROLLER, "controller", "controller.api"},
    # What starts processes, and asks them.
    "lab": {*SHARED, "ovs_setup", "doctor", "loadsharing", "agents", "controller.switches"},
    "cli": {*SHARED, "capabilities", "ovs_setup", "doctor", "loadsharing", "agents", "lab", "simulator"},
}
#: What pure code must not touch: sockets, clocks, processes, and Ryu's world.
IMPURE = {"asyncio", "eventlet", "os", "random", "ryu", "select", "socket", "subprocess", "threading", "time"}


def layer_of(parts: tuple[str, ...]) -> str:
    """The layer of a module or of what it imports, by the parts of its dotted name."""
    package, *rest = parts
    if package == "ovs_setup":
        return package
    if rest[0] == "controller" and len(rest) > 1 and (ROOT / "ryu_pmipls" / "controller" / rest[1]).is_dir():
        return f"controller.{rest[1]}"
    return rest[0]


def parts_of(path: Path) -> tuple[str, ...]:
    return path.relative_to(ROOT).with_suffix("").parts


def modules() -> list[Path]:
    paths = [*ROOT.glob("ryu_pmipls/**/*.py"), *ROOT.glob("ovs_setup/**/*.py")]
    return sorted(path for path in paths if path != ROOT / "ryu_pmipls" / "__init__.py")


def imports(path: Path) -> Iterator[str]:
    """The dotted names that a module imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute here"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def used_layers(path: Path) -> set[str]:
    names = (tuple(name.split(".")) for name in imports(path))
    ours = (parts for parts in names if parts[0] in ("ryu_pmipls", "ovs_setup") and parts[1:] != ("__version__",))
    return {layer_of(parts) for parts in ours} - {layer_of(parts_of(path))}


def test_every_module_has_its_layer() -> None:
    assert {layer_of(parts_of(path)) for path in modules()} == {*ALLOWED}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_direction_of_imports(path: Path) -> None:
    layer = layer_of(parts_of(path))
    forbidden = used_layers(path) - ALLOWED[layer]
    assert not forbidden, f"{layer} must not import {sorted(forbidden)}"


@pytest.mark.parametrize("layer", sorted(PURE))
def test_pure_layers_touch_no_socket_and_no_clock(layer: str) -> None:
    for path in (ROOT / "ryu_pmipls" / layer.replace(".", "/")).rglob("*.py"):
        touched = {name.partition(".")[0] for name in imports(path)} & IMPURE
        assert not touched, f"{path.relative_to(ROOT)} imports {sorted(touched)}"


@pytest.mark.parametrize("name", ["node_names", "certificates", "validity"])
def test_certificates_are_built_and_judged_without_files_and_clocks(name: str) -> None:
    path = ROOT / "ryu_pmipls" / "pki" / f"{name}.py"
    touched = {each.partition(".")[0] for each in imports(path)} & {*IMPURE, "fcntl", "pathlib"}
    assert not touched, f"{name} imports {sorted(touched)}"
    others = {each for each in imports(path) if each.startswith("ryu_pmipls.pki.")}
    assert {each.split(".")[2] for each in others} <= {"node_names", "certificates"}


def test_one_folder_alone_imports_cryptography_and_no_process_needs_it_to_start() -> None:
    """The library is an extra: whoever imports what uses it does so in a function, after a check that it is there."""
    started = {module_of(path): {*imports_at_start(path)} for path in modules()}
    users = {module for module, names in started.items() if any(name.startswith("cryptography.") for name in names)}
    assert users and all(module.startswith("ryu_pmipls.pki.") for module in users)
    needs = {module: known_modules(names, {*started}) for module, names in started.items()}
    assert [m for m in needs if not m.startswith("ryu_pmipls.pki.") and reachable(m, needs) & users] == []


def imports_at_start(path: Path) -> Iterator[str]:
    """The dotted names that a module imports when it is imported itself, and not for types only."""
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        for node in ast.iter_child_nodes(waiting.pop()):
            if isinstance(node, ast.Import):
                yield from (name.name for name in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from (f"{node.module}.{name.name}" for name in node.names)
            elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                continue
            elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                waiting.append(node)


def test_one_folder_alone_imports_ryu() -> None:
    users = {
        layer_of(parts_of(path)) for path in modules() for name in imports(path) if name.partition(".")[0] == "ryu"
    }
    assert users == {"controller.ryu"}


def test_agents_and_controller_have_nothing_of_each_other() -> None:
    for path in modules():
        layer = layer_of(parts_of(path)).partition(".")[0]
        others = {"agents": "controller", "controller": "agents", "rms": "agents"}.get(layer)
        assert others not in {used.partition(".")[0] for used in used_layers(path)}, path


def module_of(path: Path) -> str:
    """The dotted name of a module; a package's own is that of its folder."""
    parts = parts_of(path)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Also none whose imports are for types only, or are put off by standing in a function."""
    paths = {module_of(path): path for path in modules()}
    needs = {module: imported_modules(path, {*paths}) - {module} for module, path in paths.items()}
    assert [sorted(circle) for circle in circles_of(needs)] == []


def imported_modules(path: Path, known: set[str]) -> set[str]:
    """The project's modules that a module imports, wherever in it."""
    return known_modules({*imports(path)}, known)


def known_modules(names: set[str], known: set[str]) -> set[str]:
    """The project's modules among imported names, which may be of things in them."""
    return {name if name in known else name.rpartition(".")[0] for name in names} & known


def circles_of(needs: Mapping[str, Collection[str]]) -> Iterator[set[str]]:
    """Yield the sets of modules each of which needs all others of the set, directly or not."""
    reached = {module: reachable(module, needs) for module in needs}
    found = set()
    for module in sorted(needs):
        circle = {other for other in reached[module] if module in reached[other]}
        if circle and module not in found:
            found |= circle
            yield circle


def reachable(start: str, needs: Mapping[str, Collection[str]]) -> set[str]:
    """The modules that one needs, directly or not."""
    found, waiting = set(), [start]
    while waiting:
        for module in needs[waiting.pop()]:
            if module not in found:
                found.add(module)
                waiting.append(module)
    return found
