"""Bars as SVG: one picture for each part and unit, a group for each piece of work, a bar for each peer with its lowest and highest
value."""
import glob
import html
import math
import os
import statistics

from figures import number

COLOURS = {
    "ext4": "#9e9e9e", "floor": "#c0a060", "aofs": "#1f6fb4", "library": "#6fb1e0", "bindfs": "#b4654a", "sshfs": "#8a5fa8", "s3fs": "#5a9a5a",
    "rclone": "#c25b8a", "curl": "#707070"}
OTHERS = ["#1f6fb4", "#e08b2c", "#5a9a5a", "#8a5fa8"]
LABELS, BARS, VALUES, BAR, GAP, TOP = 450, 460, 90, 13, 12, 56


def write(folder, results, peers_of):
    """Replaces the pictures of an earlier run. Returns their names by part."""
    os.makedirs(folder, exist_ok=True)
    for old in glob.glob(os.path.join(folder, "*.svg")):
        os.unlink(old)
    drawn = {}
    pictures = dict.fromkeys((row["part"], row["unit"]) for row in results["rows"])
    for part, unit in pictures:
        rows = [row for row in results["rows"] if (row["part"], row["unit"]) == (part, unit)]
        name = "-".join([part, *unit.replace("/", " per ").lower().split()]) + ".svg"
        with open(os.path.join(folder, name), "w") as file:
            file.write(picture(part, unit, rows, peers_of(rows)))
        drawn.setdefault(part, []).append(name)
    return drawn


def scale_of(rows):
    """From a value to its share of the width. Logarithmic, since a picture has quick and slow work; its lower end is a power of ten."""
    values = [value for row in rows for them in row["values"].values() for value in them if value > 0]
    lowest, highest = math.floor(math.log10(min(values, default=1)) - 0.01), math.log10(max(values, default=10))
    span = max(highest - lowest, 1)
    return lowest, span, lambda value: min(max((math.log10(value) - lowest) / span, 0), 1) if value > 0 else 0


def picture(part, unit, rows, names):
    lowest, span, share = scale_of(rows)
    height = TOP + sum(GAP + BAR * len(row["values"]) for row in rows) + 20
    better = "more" if rows[0]["is_better_high"] else "less"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LABELS + BARS + VALUES}" height="{height}" font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="10" y="18" font-size="14">{html.escape(part)}, {html.escape(unit)}, {better} is better; logarithmic</text>',
        *legend(names), *grid(lowest, span, share, height)]
    y = TOP
    for row in rows:
        middle = y + BAR * len(row["values"]) / 2 + 4
        parts.append(f'<text x="{LABELS - 8}" y="{middle:.0f}" text-anchor="end">{html.escape(row["work"])}</text>')
        for name in names:
            if name in row["values"]:
                parts += bar(y, row["values"][name], colour(name, names), share)
                y += BAR
        y += GAP
    return "\n".join([*parts, "</svg>", ""])


def colour(name, names):
    return COLOURS.get(name) or OTHERS[names.index(name) % len(OTHERS)]


def legend(names):
    x = 10
    for name in names:
        yield f'<rect x="{x}" y="28" width="10" height="10" fill="{colour(name, names)}"/><text x="{x + 14}" y="37">{html.escape(name)}</text>'
        x += 30 + 7 * len(name)


def grid(lowest, span, share, height):
    for power in range(lowest, lowest + math.floor(span) + 1):
        x = LABELS + BARS * share(10 ** power)
        label = f"{10 ** power:g}" if -4 < power < 7 else f"1e{power}"
        yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP - 6}" y2="{height - 16}" stroke="#ddd"/>'
        yield f'<text x="{x:.1f}" y="{height - 4}" text-anchor="middle" fill="#777">{label}</text>'


def bar(y, values, fill, share):
    middle, low, high = statistics.median(values), min(values), max(values)
    width, centre = BARS * share(middle), y + BAR / 2
    yield f'<rect x="{LABELS}" y="{y}" width="{width:.1f}" height="{BAR - 2}" fill="{fill}"/>'
    if low < high:
        left, right = LABELS + BARS * share(low), LABELS + BARS * share(high)
        yield f'<line x1="{left:.1f}" x2="{right:.1f}" y1="{centre:.1f}" y2="{centre:.1f}" stroke="black"/>'
    yield f'<text x="{LABELS + BARS * share(high) + 5:.1f}" y="{y + BAR - 3}" fill="#333">{number(middle)}</text>'
