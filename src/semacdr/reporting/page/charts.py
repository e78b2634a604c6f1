"""Charts of the page: matplotlib's SVG inline, in the page's colours and fonts.

So a chart follows light and dark mode, is sharp at every size, and needs no script. It is drawn at about the width of a
phone; the page puts several side by side where there is room.
"""

import io
import re
from collections.abc import Mapping, Sequence

from markupsafe import Markup, escape
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from semacdr.reporting import style

INK, MUTED, LINE = "#010101", "#020202", "#030303"  # placeholders for the page's colours
PAGE_COLOURS = {INK: "--ink", MUTED: "--muted", LINE: "--line"}
PAGE_COLOURS |= {colour.lower(): f"--c{place}" for place, colour in enumerate(style.COLOURS, 1)}
DASHES = ("-", "--", ":", "-.")
STYLE = style.STYLE | {
    "svg.fonttype": "none",  # text stays text
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.grid": True,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
}
styled = rc_context(STYLE)
WIDTH = 4.4  # inches
MAX_SPREAD = 0.3  # of the points of a group, in steps of the axis
Interval = tuple[float, float, float]  # value, low, high


def as_svg(drawn: Figure, name: str, label: str) -> Markup:
    """The figure as an SVG element; `name` makes its ids unique, `label` describes it for screen readers."""
    file = io.StringIO()
    with rc_context({**STYLE, "svg.hashsalt": name}):
        drawn.savefig(
            file, format="svg", transparent=True, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type"))
        )
    text = file.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    used = set(re.findall(r"#([\w.-]+)", text))
    text = re.sub(r' id="([\w.-]+)"', lambda found: found[0] if found[1] in used else "", text)
    for colour, variable in PAGE_COLOURS.items():
        text = re.sub(f"{colour}(?![0-9a-f])", f"var({variable})", text, flags=re.IGNORECASE)
    width = round(float(drawn.get_figwidth()) * 96)
    head = f'<svg class="chart" role="img" aria-label="{escape(label)}" style="max-width:{width}px"'
    return Markup(
        re.sub(r'^<svg((?: xmlns:?\w*="[^"]*")*) width="[^"]*" height="[^"]*"', head, _ordered(text), count=1)
    )


def _ordered(text: str) -> str:
    """The SVG with its size first, so that it can be replaced, and without namespaces, which HTML implies."""
    end = text.index(">")
    head = re.sub(r'\s+(xmlns(:\w+)?|version)="[^"]*"', "", text[:end])
    size = [re.search(rf'{side}="[^"]*"', head)[0] for side in ("width", "height")]
    for part in size:
        head = head.replace(f" {part}", "", 1)
    return f"<svg {' '.join(size)}{head.removeprefix('<svg')}{text[end:]}"


@styled
def curves(seeds: Mapping[str, Sequence[tuple[int, float]]], best: Mapping[str, int], top: float) -> Figure:
    """Validation by epoch, a line per seed, with a dot at the checkpoint's epoch. `top`: the end of the scale."""
    drawn = style.figure(WIDTH * 0.75, 2.0)
    axis = drawn.subplots()
    for place, (seed, points) in enumerate(seeds.items()):
        epochs, values = zip(*points, strict=True)
        colour, dash = style.COLOURS[place % len(style.COLOURS)], DASHES[place % len(DASHES)]
        axis.plot(epochs, values, dash, color=colour, linewidth=1.6, label=f"seed {seed}")
        axis.plot([best[seed]], [dict(points)[best[seed]]], "o", color=colour, markersize=5)
    axis.set(xlabel="epoch", ylim=(0, top * 1.08))
    axis.xaxis.get_major_locator().set_params(integer=True, nbins=6)
    axis.yaxis.get_major_locator().set_params(nbins=4)
    _finish(axis, legend=len(seeds) > 1, place="lower right")
    return drawn


@styled
def forest(rows: Sequence[tuple[str, float, float, float]], unit: str) -> Figure:
    """Differences with their intervals (name, value, low, high), one below the other, with a line at zero."""
    drawn = style.figure(WIDTH, 0.62 + 0.27 * len(rows))
    axis = drawn.subplots()
    for place, (_, value, low, high) in enumerate(reversed(rows)):
        significant = low > 0 or high < 0
        axis.plot([low, high], [place, place], color=style.COLOURS[0], linewidth=1.6)
        axis.plot(
            [value], [place], "o", color=style.COLOURS[0], markersize=6, fillstyle="full" if significant else "none"
        )
    axis.axvline(0, color=INK, linewidth=0.9)
    axis.set_yticks(range(len(rows)), [name for name, *_ in reversed(rows)])
    axis.set(xlabel=unit, ylim=(-0.6, len(rows) - 0.4))
    axis.xaxis.get_major_locator().set_params(nbins=5)
    axis.grid(axis="y", visible=False)
    _finish(axis)
    return drawn


@styled
def groups(names: Sequence[str], lines: Sequence[tuple[str, Sequence[Interval]]], x: str, y: str) -> Figure:
    """Means with their intervals (value, low, high) by group, a named line per variant."""
    drawn = style.figure(WIDTH, 2.7)
    axis = drawn.subplots()
    step = min(0.09, MAX_SPREAD / len(lines))
    for place, (name, points) in enumerate(lines):
        shift = step * (place - (len(lines) - 1) / 2)
        places = [group + shift for group in range(len(names))]
        values = [value for value, _, _ in points]
        bars = [[value - low for value, low, _ in points], [high - value for value, _, high in points]]
        axis.errorbar(
            places, values, bars, fmt=style.MARKERS[place % len(style.MARKERS)], linestyle=DASHES[place % len(DASHES)],
            color=style.COLOURS[place % len(style.COLOURS)], markersize=4, linewidth=1.2, elinewidth=0.8, label=name,
        )  # fmt: skip
    axis.set_xticks(range(len(names)), names)
    axis.set(xlabel=x, ylabel=y)
    axis.set_ylim(bottom=0)
    _finish(axis)
    drawn.legend(frameon=False, fontsize=7.5, loc="outside upper left", ncols=2, labelcolor=MUTED)
    return drawn


def _finish(axis: Axes, legend: bool = False, place: str = "best") -> None:
    axis.tick_params(length=0)
    axis.spines["left"].set_visible(False)
    if legend:
        axis.legend(frameon=False, fontsize=7.5, loc=place, labelcolor=MUTED)
