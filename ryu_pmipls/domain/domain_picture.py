"""The picture of a domain: mobile nodes, MAGs, tunnels, LMAs, core and correspondent node from left to right."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ryu_pmipls.domain.profile import Profile
from ryu_pmipls.domain.topology import CORE, RMS, LinkKind, NodeKind, graph

#: Centres of the layers, in inches from the left.
_COLUMNS = {
    NodeKind.MOBILE_NODE: 1.4,
    NodeKind.MAG: 4.5,
    NodeKind.RMS: 6.9,
    NodeKind.LMA: 9.3,
    NodeKind.CORE: 11.4,
    NodeKind.CORRESPONDENT: 13.4,
}
_WIDTH = 14.8  # of the picture
_BOX_WIDTH, _BOX_HEIGHT = 2.2, 0.62
_UNDERLAY_WIDTH, _CORE_WIDTH = 1.8, 1.0
_PITCH = 0.95  # from the centre of one box to the next above it
_BOTTOM = 0.95  # where the legend ends and the networks begin
_FILL = {
    NodeKind.RMS: "#fdebd0",
    NodeKind.LMA: "#d6e6f7",
    NodeKind.MAG: "#dcefdc",
    NodeKind.MOBILE_NODE: "#f4f4f4",
    NodeKind.CORRESPONDENT: "#f4f4f4",
}
_TUNNELS = ("#1f6fb4", "#c0392b", "#2e8b57", "#8e44ad", "#b9770e", "#148f8f")  # one per LMA, in turn
_INK, _NETWORK = "#222222", "#eceff3"
#: Style of each kind of link; a tunnel takes the colour of its LMA. The underlay's own links show as the underlay.
_LINES: dict[LinkKind, dict[str, Any]] = {
    LinkKind.ACCESS: {"color": "#808080", "linestyle": (0, (1, 1.5)), "linewidth": 1.8},
    LinkKind.TUNNEL: {"linewidth": 3.2, "alpha": 0.75, "solid_capstyle": "butt"},
    LinkKind.CORE: {"color": "#808080", "linewidth": 1.5},
    LinkKind.CONTROL: {"color": "#d08a1d", "linestyle": (0, (5, 3)), "linewidth": 1.1},
}

_Position = tuple[float, float]


def draw(profile: Profile, path: Path) -> None:
    """Draw the domain into a file, PNG or SVG by its suffix; ``OSError`` when it cannot be written."""
    import matplotlib  # slow to import, and seldom needed
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    domain = graph(profile)
    places = _places(profile)
    ceiling = places[RMS][1]
    figure = Figure(figsize=(_WIDTH, ceiling + 0.6))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, _WIDTH), ylim=(0, ceiling + 0.6))
    axes.axis("off")
    axes.text(0.3, ceiling, f"PMIPv6 domain {profile.domain}", size=15, weight="bold", color=_INK, va="center")
    _network(axes, _COLUMNS[NodeKind.RMS], _UNDERLAY_WIDTH, ceiling, "IPv6 underlay")
    _network(axes, _COLUMNS[NodeKind.CORE], _CORE_WIDTH, ceiling, "core network")
    colours = {lma.name: _TUNNELS[index % len(_TUNNELS)] for index, lma in enumerate(profile.lmas)}
    for one, other, kind in domain.edges(data="kind"):
        if kind in _LINES:
            left, right = sorted((one, other), key=lambda name: places[name])
            ends = _ends(places[left], places[right], kind)
            style = _LINES[kind] | ({"color": colours[right]} if kind is LinkKind.TUNNEL else {})
            axes.plot(*zip(*ends, strict=True), zorder=1, **style)
    captions = _captions(profile)
    for name, kind in domain.nodes(data="kind"):
        if kind in _FILL:
            _box(axes, places[name], _FILL[kind], name, captions[name])
    _legend(axes, profile, colours)
    with matplotlib.rc_context({"svg.hashsalt": profile.domain}):  # the same profile gives the same file
        figure.savefig(path, dpi=110, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)


def _places(profile: Profile) -> dict[str, _Position]:
    """The centre of every box: layers beside each other, each of them centred."""
    mags = [mag.name for mag in profile.mags]
    nodes = sorted(enumerate(profile.mobile_nodes), key=lambda item: item[0] % len(mags))  # next to their MAGs
    layers = {
        NodeKind.MOBILE_NODE: [node.name for _, node in nodes],
        NodeKind.MAG: mags,
        NodeKind.LMA: [lma.name for lma in profile.lmas],
        NodeKind.CORRESPONDENT: [] if profile.lab is None else [profile.lab.correspondent.name],
    }
    span = max(len(names) for names in layers.values()) * _PITCH
    places = {RMS: (_COLUMNS[NodeKind.RMS], _BOTTOM + span + 1.1), CORE: (_COLUMNS[NodeKind.CORE], _BOTTOM)}
    for kind, names in layers.items():
        gap = span / max(len(names), 1)
        for index, name in enumerate(reversed(names)):
            places[name] = (_COLUMNS[kind], _BOTTOM + gap * (index + 0.5))
    return places


def _ends(left: _Position, right: _Position, kind: LinkKind) -> tuple[_Position, _Position]:
    """Points where a line leaves the box (or network) at its left and reaches the one at its right."""
    if kind is LinkKind.CONTROL:  # between the RMS's lower edge and the upper part of a box's inner edge
        rms, box = sorted((left, right), key=lambda place: -place[1])
        inner = math.copysign(_BOX_WIDTH / 2, rms[0] - box[0])
        return (rms[0] - inner / 4, rms[1] - _BOX_HEIGHT / 2), (box[0] + inner, box[1] + _BOX_HEIGHT / 4)
    if kind is LinkKind.CORE:  # a network is as high as the picture: the line meets it at the height of the box
        if left[0] == _COLUMNS[NodeKind.CORE]:
            return (left[0] + _CORE_WIDTH / 2, right[1]), (right[0] - _BOX_WIDTH / 2, right[1])
        return (left[0] + _BOX_WIDTH / 2, left[1]), (right[0] - _CORE_WIDTH / 2, left[1])
    return (left[0] + _BOX_WIDTH / 2, left[1]), (right[0] - _BOX_WIDTH / 2, right[1])


def _captions(profile: Profile) -> dict[str, str]:
    captions = {RMS: str(profile.rms.address)}
    captions |= {switch.name: str(switch.address) for switch in (*profile.lmas, *profile.mags)}
    captions |= {node.name: node.identifier for node in profile.mobile_nodes}
    if profile.lab is not None:
        captions[profile.lab.correspondent.name] = str(profile.lab.correspondent.address.ip)
    return captions


def _network(axes: Any, centre: float, width: float, ceiling: float, title: str) -> None:
    from matplotlib.patches import FancyBboxPatch

    top = ceiling - 0.75
    shape = (centre - width / 2, _BOTTOM - 0.1), width, top - _BOTTOM + 0.1
    axes.add_patch(FancyBboxPatch(*shape, boxstyle="round,pad=0,rounding_size=0.25", fc=_NETWORK, ec="none", zorder=0))
    axes.text(centre, _BOTTOM - 0.02, title, size=9, style="italic", color="#5c6773", ha="center", va="bottom")


def _box(axes: Any, centre: _Position, fill: str, name: str, caption: str) -> None:
    from matplotlib.patches import FancyBboxPatch

    x, y = centre
    corner = x - _BOX_WIDTH / 2, y - _BOX_HEIGHT / 2
    style = "round,pad=0,rounding_size=0.12"
    axes.add_patch(FancyBboxPatch(corner, _BOX_WIDTH, _BOX_HEIGHT, boxstyle=style, fc=fill, ec=_INK, lw=1, zorder=2))
    axes.text(x, y + 0.12, name, size=11, weight="bold", color=_INK, ha="center", va="center", zorder=3)
    shown = caption if len(caption) <= 26 else f"{caption[:25]}…"
    axes.text(x, y - 0.14, shown, size=8, color=_INK, ha="center", va="center", zorder=3)


def _legend(axes: Any, profile: Profile, colours: dict[str, str]) -> None:
    from matplotlib.lines import Line2D

    tunnel = {"color": next(iter(colours.values()))} | _LINES[LinkKind.TUNNEL]
    lines = {
        "access link (first attachment)": Line2D([], [], **_LINES[LinkKind.ACCESS]),
        f"tunnel ({profile.tunnel.type}; one colour per LMA)": Line2D([], [], **tunnel),
        "OpenFlow and signalling": Line2D([], [], **_LINES[LinkKind.CONTROL]),
    }
    place = {"loc": "lower center", "ncols": len(lines), "frameon": False, "fontsize": 9}
    axes.legend(lines.values(), lines.keys(), bbox_to_anchor=(0.5, 0.02), **place)
