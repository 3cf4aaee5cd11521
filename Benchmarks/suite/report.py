"""Writes what came out: everything as JSON, medians as Markdown, and plots."""
import json
import os
import statistics

import plots
from figures import number

# In which order peers have their columns.
ORDER = ["ext4", "floor", "aofs", "library", "bindfs", "sshfs", "s3fs", "rclone", "curl"]


def write(folder, facts, session):
    os.makedirs(folder, exist_ok=True)
    results = {"machine": facts, "rows": session.rows, "skipped": session.skipped, "failures": session.failures}
    with open(os.path.join(folder, "results.json"), "w") as file:
        json.dump(results, file, indent=1)
        file.write("\n")
    drawn = plots.write(os.path.join(folder, "plots"), results, peers_of)
    with open(os.path.join(folder, "results.md"), "w") as file:
        file.write("\n".join(page(results, drawn)) + "\n")


def peers_of(rows):
    names = {name for row in rows for name in row["values"]}
    return sorted(names, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name))


def page(results, drawn):
    facts = results["machine"]
    yield "# Results\n"
    yield ("Made by `Benchmarks/run.sh`; [how to read them](README.md). A value is the median of the rounds, with the lowest and the highest; "
           "a ratio is taken round by round.\n")
    if facts["is_quick"]:
        yield "**A sample of a quick run: sizes are small, and the figures say that the suite works, not more.**\n"
    yield (f"{facts['processor']}, {facts['cores']} cores, {facts['memory_bytes'] / 1e9:.0f} GB; Linux {facts['kernel']}; {facts['fuse']}; "
           f"{facts['aofs']}; {facts['disk']}. {facts['rounds']} rounds, begun {facts['started']}. Load average "
           f"{facts['load_at_start']} at the start, {facts['load_at_end']} at the end.")
    for part in dict.fromkeys(row["part"] for row in results["rows"]):
        yield f"\n## {part}\n"
        yield from table([row for row in results["rows"] if row["part"] == part])
        for path in drawn.get(part, []):
            yield f"\n![{part}](plots/{path})"
    for title, key in (("Skipped", "skipped"), ("Failed", "failures")):
        if results[key]:
            yield f"\n## {title}\n"
            yield from (f"- {each['part']}: {each['what']}: {each['why']}" for each in results[key])


def table(rows):
    names = peers_of(rows)
    ratios = list(dict.fromkeys(tuple(pair) for row in rows for pair in row["ratios"]))
    heads = ["work", "unit", *names, *(f"{one} / {other}" for one, other in ratios)]
    yield "| " + " | ".join(heads) + " |"
    yield "|---" * len(heads) + "|"
    for row in rows:
        cells = [spread(row["values"].get(name)) for name in names]
        cells += [spread(ratio(row, pair)) if list(pair) in row["ratios"] else "" for pair in ratios]
        better = "↑" if row["is_better_high"] else "↓"
        yield "| " + " | ".join([row["work"], f"{row['unit']} {better}", *cells]) + " |"


def ratio(row, pair):
    return [one / other if other else 0 for one, other in zip(row["values"][pair[0]], row["values"][pair[1]])]


def spread(values):
    if not values:
        return ""
    middle = number(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({number(min(values))}–{number(max(values))})"
