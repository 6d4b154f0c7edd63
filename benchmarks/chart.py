"""A bar chart as SVG: for each case the rate of every server, the fastest filling the width. Pure."""

from html import escape

from benchmarks.cases import BARE
from benchmarks.peers import OURS, OURS_2
from benchmarks.report import Results, number

WIDTH, BAR, GAP, NAMES, FIGURES = 760, 12, 3, 150, 110
TITLE, SPACE = 20, 14
OWN, OTHER, LIMIT = "#2563eb", "#94a3b8", "#d6d3d1"


def chart(results: Results, caption: str) -> str:
    """The picture."""
    parts, y = [], SPACE
    parts.append(f'<text x="0" y="{y}" class="small">{escape(caption)}</text>')
    y += SPACE
    for case, summaries in results:
        shown = [(name, summary) for name, summary in summaries.items() if summary.rate]
        if not shown:
            continue
        most = max(summary.rate or 0 for _, summary in shown)
        y += TITLE
        parts.append(f'<text x="0" y="{y - 6}" class="title">{escape(case.title)} ({case.unit})</text>')
        for name, summary in shown:
            length = max(1.0, (WIDTH - NAMES - FIGURES) * (summary.rate or 0) / most)
            colour = OWN if name in (OURS, OURS_2) else LIMIT if name == BARE else OTHER
            sign = "< " if summary.at_most else ""
            parts.append(
                f'<text x="{NAMES - 8}" y="{y + BAR - 2}" text-anchor="end">{escape(name)}</text>'
                f'<rect x="{NAMES}" y="{y}" width="{length:.1f}" height="{BAR}" fill="{colour}"/>'
                f'<text x="{NAMES + length + 6:.1f}" y="{y + BAR - 2}">{escape(sign)}{number(summary.rate)}</text>'
            )
            y += BAR + GAP
        y += SPACE
    style = "text{font:11px sans-serif;fill:#334155}.title{font-weight:bold;font-size:12px}.small{fill:#64748b}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" width="{WIDTH}" height="{y}" '
        f'role="img" aria-label="Rates of all servers, case by case"><style>{style}</style>'
        f'<rect width="{WIDTH}" height="{y}" fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )
