"""The page and the picture of stage density: the gain of SPHERE against what may explain it."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from semacdr.evaluation.correlation import DRAWS, FEWEST
from semacdr.evaluation.density import ALL, CorrelationRow, DensityRow
from semacdr.evaluation.main_metric import CUTOFF
from semacdr.reporting import style
from semacdr.reporting.markdown import header, line, p_value, page_head
from semacdr.reporting.names import column_name

METRIC = column_name(("ndcg", CUTOFF))
NAMES = {
    "events_per_item": "training events per item",
    "events_per_user": "training events per user",
    "backbone_ndcg": f"backbone's {METRIC}",
    "over_popularity": "backbone / most popular",
    "proximity": "proximity of the domains",
    "gain": "gain",
    "relative_gain": "gain / backbone",
}
DRAWN = ("events_per_item", "backbone_ndcg", "proximity")  # a column of the picture each
METHOD = (
    f"Gain: the difference in {METRIC} (full ranking, test events) of a backbone with SPHERE from the backbone alone, "
    "with a 95 % bootstrap interval over users; p: of a paired bootstrap test, Holm-corrected in its experiment. "
    "Training events are of the target domain; per item: over its whole catalogue. Proximity of the domains: 1 minus "
    "the Jensen-Shannon divergence of the shares of terms among the domains' training events, averaged over facets: 1 "
    "for the same shares, 0 for no term in common."
)
TEST = (
    "ρ: Spearman's correlation over the points, a direction of a scenario each; all: the mean over backbones. p: of a "
    f"permutation test that keeps a point's backbones together (all orders, or {DRAWS:,}); Holm: corrected over the "
    "predictors. **Points are few and not independent**: thinned scenarios share their data, and two directions share "
    "their domains. Pairs counts the distinct ones. Read a small p as a hint, and a large one as no evidence."
)


def density_page(rows: Sequence[DensityRow], found: Sequence[CorrelationRow], title: str, picture: str) -> str:
    """A Markdown page: the points of each backbone, the picture, and the correlations."""
    lines = page_head(title, ", ".join(dict.fromkeys(row.release for row in rows)))
    lines += [METHOD, "", f"![Gain against density, quality and proximity]({picture})", ""]
    for series in dict.fromkeys((row.backbone, row.variant) for row in rows):
        lines += [f"## {series[1]} over {series[0]}", ""]
        titles = ["Scenario", "Direction", "Events per item", "per user", "Proximity", f"Backbone's {METRIC}"]
        lines += header([*titles, "over most popular", "Gain", "relative", "p"], words=2)
        part = [row for row in rows if (row.backbone, row.variant) == series]
        lines += [line(_cells(row)) for row in part]
        lines.append("")
    lines += ["## What the gain goes with", "", TEST, ""]
    lines += header(["Backbone", "Outcome", "Predictor", "ρ", "p", "Holm", "Points", "Pairs"], words=3)
    for one in found:
        rho = f"{one.rho:+.2f}" if one.rho is not None else f"unknown (needs {FEWEST} points that differ)"
        name = ALL if one.backbone == ALL else one.variant
        tests = [p_value(one.p), p_value(one.p_holm), f"{one.points}", f"{one.pairs}"]
        lines.append(line([name, NAMES[one.outcome], NAMES[one.predictor], rho, *tests]))
    return "\n".join([*lines, ""])


def _cells(row: DensityRow) -> list[str]:
    gain = f"{row.gain:+.4f} [{row.gain_low:+.4f}, {row.gain_high:+.4f}]"
    relative = "" if row.relative_gain is None else f"{row.relative_gain:+.0%}".replace("%", " %")
    over = "" if row.over_popularity is None else f"{row.over_popularity:.2f}"
    density = [f"{row.events_per_item:.1f}", f"{row.events_per_user:.1f}", f"{row.proximity:.2f}"]
    quality = [f"{row.backbone_ndcg:.4f}", over, gain, relative, p_value(row.p_bootstrap_holm)]
    return [row.scenario, f"{row.source} → {row.target}", *density, *quality]


@style.styled
def density_figure(rows: Sequence[DensityRow], title: str) -> Figure:
    """A row of panels per backbone, a column per predictor. A pair of domains has one line, colour and marker."""
    series = list(dict.fromkeys((row.backbone, row.variant) for row in rows))
    pairs = list(dict.fromkeys((row.source, row.target) for row in rows))
    figure = style.figure(2.9 * len(DRAWN), 1.5 + 2.2 * len(series))
    axes = figure.subplots(len(series), len(DRAWN), sharex="col", sharey="row", squeeze=False)
    for panels, one in zip(axes, series, strict=True):
        part = [row for row in rows if (row.backbone, row.variant) == one]
        for axis, predictor in zip(panels, DRAWN, strict=True):
            for place, pair in enumerate(pairs):
                own = [row for row in part if (row.source, row.target) == pair]
                _draw(axis, sorted(own, key=lambda row: row.events_per_item), predictor, place)
            axis.axhline(0, color="#555555", linewidth=0.8, zorder=1)
            axis.grid(color="#dddddd", linewidth=0.6)
        panels[0].set_ylabel(f"{one[1]} − {one[0]}\n{METRIC}")
    for axis, predictor in zip(axes[-1], DRAWN, strict=True):
        axis.set_xlabel(NAMES[predictor])
    for axis in axes[:, DRAWN.index("events_per_item")]:
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_major_formatter("{x:g}")
        axis.xaxis.set_minor_formatter(NullFormatter())
    handles = [
        Line2D([], [], color=_look(place)[0], marker=_look(place)[1], linewidth=0.8, label=" → ".join(pair))
        for place, pair in enumerate(pairs)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(3, len(pairs)), fontsize=8, frameon=False)
    style.title(figure, f"{title}: gain with a 95 % interval over users", ", ".join({row.release: 0 for row in rows}))
    return figure


def _look(place: int) -> tuple[str, str]:
    """Colour and marker of a pair of domains, by its place; no two of 36 are the same."""
    count = len(style.COLOURS)
    return style.COLOURS[place % count], style.MARKERS[(place + place // count) % count]


def _draw(axis: Axes, rows: Sequence[DensityRow], predictor: str, place: int) -> None:
    """The points of one pair of domains, joined in the order of their density."""
    colour, marker = _look(place)
    axis.errorbar(
        [getattr(row, predictor) for row in rows], [row.gain for row in rows],
        [[row.gain - row.gain_low for row in rows], [row.gain_high - row.gain for row in rows]],
        color=colour, ecolor=colour, marker=marker, markersize=4, capsize=2, linewidth=0.8, elinewidth=0.6, zorder=2,
    )  # fmt: skip
