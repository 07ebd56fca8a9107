"""A small SVG writer: lines on two logarithmic axes that fall from left to right."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 640, 400, 70, 40, 20, 55
STEPS = (1, 2, 5)


@dataclass(frozen=True)
class Line:
    """One curve; x and y above 0."""

    name: str
    colour: str
    points: Sequence[tuple[float, float]]


def svg(title: str, below: str, lines: Sequence[Line]) -> str:
    """Return the picture as text."""
    xs = [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points]
    x0, x1 = _ends(xs)
    y0, y1 = _ends(ys)

    def across(x: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(x / x0) / math.log(x1 / x0)

    def up(y: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * math.log(y / y0) / math.log(y1 / y0)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}"'
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{WIDTH / 2}" y="22" text-anchor="middle" font-size="15">{escape(title)}</text>',
        f'<text x="{(LEFT + WIDTH) / 2}" y="{HEIGHT - 12}" text-anchor="middle">'
        f"{escape(below)}</text>",
    ]
    for tick in _ticks(x0, x1):
        at = across(tick)
        parts.append(
            f'<path d="M{at:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#ddd"/>'
            f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{tick:,}</text>'
        )
    for tick in _ticks(y0, y1):
        at = up(tick)
        parts.append(
            f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
            f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{tick:,}</text>'
        )
    for at, line in enumerate(lines):
        path = " ".join(f"{across(x):.1f},{up(y):.1f}" for x, y in line.points)
        y = HEIGHT - BOTTOM - 12 - 18 * (len(lines) - 1 - at)  # where falling lines are not
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{line.colour}" stroke-width="2"/>'
            f'<path d="M{LEFT + 16} {y - 4}h24" stroke="{line.colour}" stroke-width="2"/>'
            f'<text x="{LEFT + 46}" y="{y}">{escape(line.name)}</text>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _ends(values: Sequence[float]) -> tuple[float, float]:
    low = 10 ** math.floor(math.log10(min(values)))
    high = 10 ** math.ceil(math.log10(max(values)))
    below = [low * step for step in STEPS if low * step <= min(values)]
    above = [high / 10 * step for step in (*STEPS, 10) if high / 10 * step >= max(values)]
    return max(below), min(above)


def _ticks(low: float, high: float) -> list[int]:
    ticks = [
        step * 10**power for power in range(math.floor(math.log10(low)), 12) for step in STEPS
    ]
    return [tick for tick in ticks if low <= tick <= high]
