"""Photos: pictures of hills, sky and sun that are computed from a number."""

from __future__ import annotations

import math
import random

from markupsafe import Markup

WIDTH, HEIGHT = 160, 120


def landscape(seed: int, caption: str) -> Markup:
    """Return an SVG picture for a number. The same number gives the same picture."""
    dice = random.Random(seed)  # noqa: S311 - the number is no secret
    hue = dice.randrange(360)
    shapes = [f'<rect width="{WIDTH}" height="{HEIGHT}" fill="hsl({hue} 55% 86%)"/>']
    shapes.append(
        f'<circle cx="{dice.randrange(25, 135)}" cy="{dice.randrange(25, 60)}" r="{dice.randrange(9, 17)}"'
        f' fill="hsl({(hue + 40) % 360} 85% 95%)"/>'
    )
    for layer in range(4):
        base, height = 55 + 16 * layer, dice.uniform(6, 14)
        length, phase = dice.uniform(18, 40), dice.uniform(0, math.tau)
        ridge = " ".join(f"{x},{base - height * math.sin(x / length + phase):.0f}" for x in range(0, WIDTH + 1, 8))
        colour = f"hsl({(hue + 14 * layer) % 360} {40 - 3 * layer}% {70 - 14 * layer}%)"
        shapes.append(f'<polygon points="0,{HEIGHT} {ridge} {WIDTH},{HEIGHT}" fill="{colour}"/>')
    picture = Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>')
    return picture.format(WIDTH, HEIGHT, caption, Markup("".join(shapes)))  # noqa: S704 - shapes of numbers only
