"""Plots in one style: horizontal bars, alone or in groups, and lines over sizes or over time."""

import math
from collections.abc import Mapping, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

OURS, OTHERS, LIMIT = "#1b7f5c", "#9aa5b1", "#c0392b"
_SHADES = ("#5d6b78", "#9aa5b1", "#b98a4a", "#dcc49b")  # of the others, where they are to be told apart
_LEGEND_COLUMNS = 3
_LIGHTER = 0.45  # opacity of what stands behind
_PLAIN = FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1000 else f"{value:g}")
_BEHIND_TEXT = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1.0}

mpl.use("Agg")
mpl.rcParams.update(
    {
        "svg.hashsalt": "gleaner",  # the same figures give the same file
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlelocation": "left",
        "figure.constrained_layout.use": True,
    }
)


def bar_plot(
    title: str,
    unit: str,
    values: Mapping[str, float],
    *,
    ours: Sequence[str],
    behind: tuple[str, Mapping[str, float]] | None = None,
    limit: tuple[str, float] | None = None,
    logarithmic: bool = True,
) -> Figure:
    """One bar per name, with its value. `behind` is a second, lighter series; `limit` a vertical line."""
    figure = Figure(figsize=(9, 1.4 + 0.42 * len(values)))
    axes = figure.subplots()
    names = list(values)
    colours = [OURS if name in ours else OTHERS for name in names]
    if behind is not None:
        axes.barh(names, [behind[1][name] for name in names], color=colours, alpha=_LIGHTER, label=behind[0])
    bars = axes.barh(names, [values[name] for name in names], color=colours, height=0.5)
    _label(axes, bars, values, behind)
    if limit is not None:
        axes.axvline(limit[1], color=LIMIT, linestyle="--", label=limit[0])
    if behind is not None or limit is not None:
        figure.legend(loc="outside lower right", ncols=2, frameon=False)
    axes.invert_yaxis()
    axes.set(title=title, xlabel=unit)
    axes.margins(x=0.12)
    if logarithmic:
        axes.set_xscale("log")
    axes.xaxis.set_major_formatter(_PLAIN)
    return figure


def _label(
    axes: Axes, bars: object, values: Mapping[str, float], behind: tuple[str, Mapping[str, float]] | None
) -> None:
    """Each value at the end of its bar, or of the longer one behind it."""
    for row, (name, value) in enumerate(values.items()):
        end = max(value, behind[1][name]) if behind is not None else value
        axes.annotate(
            _short(value), (end, row), xytext=(5, 0), textcoords="offset points", va="center", bbox=_BEHIND_TEXT
        )


def grouped_bar_plot(
    title: str, unit: str, groups: Mapping[str, Mapping[str, float]], *, ours: Sequence[str]
) -> Figure:
    """For each group one bar per name, with its value; a name has one colour in all groups."""
    names = list(dict.fromkeys(name for values in groups.values() for name in values))
    others = [name for name in names if name not in ours]
    figure = Figure(figsize=(9, 1.4 + 0.22 * sum(len(values) + 1 for values in groups.values())))
    axes = figure.subplots()
    row, middles, drawn = 0, [], set[str]()
    for values in groups.values():
        middles.append(row + (len(values) - 1) / 2)
        for name, value in values.items():
            colour = OURS if name in ours else _SHADES[others.index(name) % len(_SHADES)]
            axes.barh(row, value, color=colour, label=None if name in drawn else name)
            axes.annotate(_short(value), (value, row), xytext=(5, 0), textcoords="offset points", va="center", size=8)
            drawn.add(name)
            row += 1
        row += 1
    axes.set_yticks(middles, list(groups))
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.set(title=title, xlabel=unit)
    axes.margins(x=0.08, y=0.01)
    figure.legend(loc="outside lower right", ncols=len(names), frameon=False)
    return figure


def _short(value: float) -> str:
    """Three digits at most after rounding, and no exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def line_plot(
    title: str,
    x_label: str,
    y_label: str,
    lines: Mapping[str, Mapping[float, float]],
    *,
    ours: Sequence[str],
    dashed: Sequence[str] = (),
    limit: tuple[str, float] | None = None,
    logarithmic: bool = True,
) -> Figure:
    """One line per name over {x: y}."""
    figure = Figure(figsize=(8, 4.5))
    axes = figure.subplots()
    for name, points in lines.items():
        colour, style = OURS if name in ours else OTHERS, "o--" if name in dashed else "o-"
        axes.plot(list(points), list(points.values()), style, label=name, color=colour)
        for x, y in points.items():
            below = _is_crowded_above(y, [other[x] for other in lines.values() if x in other], logarithmic)
            offset, side = (-8, "top") if below else (8, "bottom")
            axes.annotate(
                _short(y),
                (x, y),
                xytext=(0, offset),
                textcoords="offset points",
                ha="center",
                va=side,
                bbox=_BEHIND_TEXT,
            )
    if limit is not None:
        axes.axhline(limit[1], color=LIMIT, linestyle="--", label=limit[0])
    if logarithmic:
        axes.set(xscale="log", yscale="log")
    axes.set(title=title, xlabel=x_label, ylabel=y_label)
    axes.xaxis.set_major_formatter(_PLAIN)
    axes.yaxis.set_major_formatter(_PLAIN)
    figure.legend(loc="outside lower right", ncols=min(len(lines) + 1, _LEGEND_COLUMNS), frameon=False)
    axes.margins(0.12)
    return figure


def _is_crowded_above(value: float, values: Sequence[float], logarithmic: bool) -> bool:
    """Whether, of all lines' values at one place, the next one above is nearer than the next one below."""

    def gap(other: float) -> float:
        return abs(math.log(other / value)) if logarithmic and other > 0 < value else abs(other - value)

    above = min((gap(other) for other in values if other > value), default=math.inf)
    below = min((gap(other) for other in values if other < value), default=math.inf)
    return above < below


def time_plot(
    title: str,
    y_label: str,
    line: Mapping[float, float],
    *,
    shaded: tuple[str, Sequence[tuple[float, float]]],
    limit: tuple[str, float],
) -> Figure:
    """A line over seconds, with spans of time shaded behind it."""
    figure = Figure(figsize=(9, 4.5))
    axes = figure.subplots()
    for number, (begin, end) in enumerate(shaded[1]):
        axes.axvspan(begin, end, color=OTHERS, alpha=_LIGHTER, linewidth=0, label=None if number else shaded[0])
    axes.plot(list(line), list(line.values()), color=OURS, linewidth=1)
    axes.axhline(limit[1], color=LIMIT, linestyle="--", label=limit[0])
    axes.set(title=title, xlabel="seconds", ylabel=y_label, yscale="log")
    axes.yaxis.set_major_formatter(_PLAIN)
    axes.margins(x=0.01)
    figure.legend(loc="outside lower right", ncols=2, frameon=False)
    return figure
