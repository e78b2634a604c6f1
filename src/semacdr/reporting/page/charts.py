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
from matplotlib.ticker import MaxNLocator

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
STEPS = (1, 2, 2.5, 5, 10)  # between ticks, times a power of ten
STEP, MAX_SPREAD, MAX_SHARE = 0.09, 0.3, 0.08  # of the points of a group: in groups, and of the whole axis
Interval = tuple[float, float, float]  # value, low, high


def as_svg(figure: Figure, name: str, label: str) -> Markup:
    """The figure as an SVG element; `name` makes its ids unique, `label` describes it for screen readers."""
    file = io.StringIO()
    with rc_context({**STYLE, "svg.hashsalt": name}):
        figure.savefig(
            file, format="svg", transparent=True, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type"))
        )
    text = file.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    used = set(re.findall(r"#([\w.-]+)", text))
    text = re.sub(r' id="([\w.-]+)"', lambda found: found[0] if found[1] in used else "", text)
    for colour, variable in PAGE_COLOURS.items():
        text = re.sub(f"{colour}(?![0-9a-f])", f"var({variable})", text, flags=re.IGNORECASE)
    width = round(float(figure.get_figwidth()) * 96)
    head = f'<svg class="chart" role="img" aria-label="{escape(label)}" style="max-width:{width}px"'
    end = text.index(">")  # of the tag, whose namespaces HTML implies
    attributes = re.sub(r'\s+(xmlns(:\w+)?|version|width|height)="[^"]*"', "", text[len("<svg") : end])
    return Markup(head + attributes + text[end:])


@styled
def curves(seeds: Mapping[str, Sequence[tuple[int, float]]], best: Mapping[str, int], top: float) -> Figure:
    """Validation by epoch, a line per seed, with a dot at the checkpoint's epoch. `top`: the end of the scale."""
    figure = style.figure(WIDTH * 0.75, 2.0)
    axis = figure.subplots()
    for place, (seed, points) in enumerate(seeds.items()):
        epochs, values = zip(*points, strict=True)
        colour, dash = style.COLOURS[place % len(style.COLOURS)], DASHES[place % len(DASHES)]
        axis.plot(epochs, values, dash, color=colour, linewidth=1.6, label=f"seed {seed}")
        axis.plot([best[seed]], [dict(points)[best[seed]]], "o", color=colour, markersize=5)
    axis.set(xlabel="epoch", ylim=(0, top * 1.08))
    axis.xaxis.set_major_locator(MaxNLocator(6, steps=STEPS, integer=True))
    axis.yaxis.set_major_locator(MaxNLocator(4, steps=STEPS))
    _finish(axis)
    if len(seeds) > 1:
        axis.legend(frameon=False, fontsize=7.5, loc="lower right", labelcolor=MUTED)
    return figure


@styled
def forest(rows: Sequence[tuple[str, Interval]], unit: str) -> Figure:
    """Named differences with their intervals, one below the other, with a line at zero."""
    figure = style.figure(WIDTH, 0.62 + 0.27 * len(rows))
    axis = figure.subplots()
    for place, (_, (value, low, high)) in enumerate(reversed(rows)):
        significant = low > 0 or high < 0
        axis.plot([low, high], [place, place], color=style.COLOURS[0], linewidth=1.6)
        axis.plot(
            [value], [place], "o", color=style.COLOURS[0], markersize=6, fillstyle="full" if significant else "none"
        )
    axis.axvline(0, color=INK, linewidth=0.9)
    axis.set_yticks(range(len(rows)), [name for name, _ in reversed(rows)])
    axis.set(xlabel=unit, ylim=(-0.6, len(rows) - 0.4))
    axis.xaxis.set_major_locator(MaxNLocator(5, steps=STEPS))
    axis.grid(axis="y", visible=False)
    _finish(axis)
    return figure


@styled
def groups(names: Sequence[str], lines: Sequence[tuple[str, Sequence[Interval]]], x: str, y: str) -> Figure:
    """Means with their intervals by group, a named line per variant."""
    figure = style.figure(WIDTH, 2.7)
    axis = figure.subplots()
    step = min(STEP, min(MAX_SPREAD, MAX_SHARE * len(names)) / max(1, len(lines) - 1))
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
    axis.set(xlabel=x, ylabel=y, xlim=(-0.5, len(names) - 0.5))
    axis.set_ylim(bottom=0)
    _finish(axis)
    figure.legend(frameon=False, fontsize=7.5, loc="outside upper left", ncols=2, labelcolor=MUTED)
    return figure


def _finish(axis: Axes) -> None:
    axis.tick_params(length=0)
    axis.spines["left"].set_visible(False)
