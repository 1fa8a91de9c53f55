"""Curves in an SVG file, both axes in powers of ten: a line with slope one is a cost that follows the number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, LEFT, TOP, BELOW = 760, 420, 60, 20, 150
COLOURS = ("#0b6e4f", "#c0392b", "#1f5fa8", "#b7791f", "#6b3fa0", "#444444")


@dataclass(frozen=True, slots=True)
class Curve:
    """A name, and points (peers, cost), both above 0."""

    name: str
    points: Sequence[tuple[float, float]]


def draw(path: str, curves: Sequence[Curve]) -> None:
    """Write the drawing of *curves* to *path*."""
    xs = [math.log10(x) for one in curves for x, _ in one.points]
    ys = [math.log10(y) for one in curves for _, y in one.points]
    left, right, low, high = math.floor(min(xs)), max(xs), math.floor(min(ys)), math.ceil(max(ys))

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            LEFT + (x - left) / ((right - left) or 1) * (WIDTH - LEFT - 20),
            TOP + (high - y) / ((high - low) or 1) * (HEIGHT - TOP - 20),
        )

    head = f'width="{WIDTH}" height="{HEIGHT + BELOW}" font-family="sans-serif" font-size="12"'
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" {head}>']
    lines.append('<rect width="100%" height="100%" fill="white"/>')
    for power in range(low, high + 1):
        (x, y), (end, _) = place(left, power), place(right, power)
        lines.append(f'<path d="M{x:.0f} {y:.0f}H{end:.0f}" stroke="#ddd"/>')
        lines.append(f'<text x="{x - 6:.0f}" y="{y + 4:.0f}" text-anchor="end">{10.0**power:,g}</text>')
    for power in range(left, math.floor(right) + 1):
        x, y = place(power, low)
        lines.append(f'<path d="M{x:.0f} {y:.0f}V{TOP}" stroke="#ddd"/>')
        lines.append(f'<text x="{x:.0f}" y="{y + 16:.0f}" text-anchor="middle">{10**power:,} peers</text>')
    for number, one in enumerate(curves):
        colour = COLOURS[number % len(COLOURS)]
        spots = [place(math.log10(x), math.log10(y)) for x, y in one.points]
        way = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
        lines.append(f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="2"/>')
        lines += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in spots]
        y = HEIGHT + 30 + 18 * number
        lines.append(f'<path d="M{LEFT} {y - 4}h24" stroke="{colour}" stroke-width="3"/>')
        lines.append(f'<text x="{LEFT + 32}" y="{y}">{escape(one.name)}</text>')
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join([*lines, "</svg>", ""]))
