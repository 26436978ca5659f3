"""Write what a pull request changes in the committed results, in Markdown, for the summary of its job on GitHub.

    python -m tools.report BASE >> "$GITHUB_STEP_SUMMARY"

BASE is the commit to compare with. It needs DVC and nothing else. The tables are DVC's. A summary shows no picture that
a job has made, but GitHub draws Mermaid's charts in it.
"""

import argparse
import csv
import subprocess
import sys
from pathlib import Path

SHOWN = 12  # classes
STYLE = '%%{init: {"themeVariables": {"xyChart": {"plotColorPalette": "#0173b2, #949494"}}}}%%'  # this, then the base


def curve_chart(after, before):
    """Draw the validation accuracy of each epoch (rows of ``plots/pretrain.csv`` as dict, of this and of the base)."""
    series = [[100 * float(row["validation_accuracy"]) for row in rows] for rows in (after, before)]
    low, high = min(map(min, series)), max(map(max, series))
    lines = [f"line {format_numbers(values)}" for values in series]
    epochs = range(1, max(map(len, series)) + 1)
    return chart("Validation accuracy", "epoch", epochs, "accuracy (%)", (low // 5 * 5, high // 5 * 5 + 5), lines)


def class_chart(after, before):
    """Draw the F1 of the classes whose F1 changes most (rows of ``plots/per_class.csv``); empty if none changes."""
    now, then = ({row["character"]: 100 * float(row["f1"]) for row in rows} for rows in (after, before))
    changed = [each for each in now if each in then and now[each] != then[each]]
    most = sorted(changed, key=lambda each: -abs(now[each] - then[each]))[:SHOWN]
    series = [f"{kind} {format_numbers([f1[each] for each in most])}" for kind, f1 in (("bar", now), ("line", then))]
    title = f"F1 of the {len(most)} classes that change most (grey line: before)"
    return chart(title, "character", most, "F1 (%)", (0, 100), series) if most else ""


def chart(title, x, labels, y, limits, series):
    """Write a chart in Mermaid's language; the series (str) are in the order of the colours of `STYLE`."""
    names = ", ".join('"{}"'.format(str(label).replace("#", "#35;").replace('"', "#quot;")) for label in labels)
    axes = [f'x-axis "{x}" [{names}]', f'y-axis "{y}" {limits[0]:g} --> {limits[1]:g}']
    body = "\n".join(f"    {line}" for line in [f'title "{title}"', *axes, *series])
    return f"```mermaid\n{STYLE}\nxychart-beta\n{body}\n```"


def format_numbers(values):
    return f"[{', '.join(f'{value:.2f}' for value in values)}]"


def draw(path, draw_chart, base):
    """Draw a chart of a table as it is here and in the base; say so where there is nothing to draw."""
    here = Path(path).read_text()
    shown = subprocess.run(["git", "show", f"{base}:{path}"], capture_output=True, text=True)
    if shown.returncode:
        return f"`{path}` is not in `{base}`: there is nothing to compare."
    after, before = (list(csv.DictReader(text.splitlines())) for text in (here, shown.stdout))
    return (here != shown.stdout and draw_chart(after, before)) or f"Nothing that a chart of `{path}` shows changes."


def main(base):
    for title, what in (("Parameters", "params"), ("Metrics", "metrics")):
        done = subprocess.run(["dvc", what, "diff", "--md", base], stdout=subprocess.PIPE, text=True)
        if done.returncode:  # DVC has said why
            sys.exit(done.returncode)
        print(f"## {title}\n\n{done.stdout.strip()}\n")  # where none changes, a table without rows
    print(f"## Figures\n\nBlue: this pull request. Grey: `{base}`.\n")
    print(draw("plots/pretrain.csv", curve_chart, base), draw("plots/per_class.csv", class_chart, base), sep="\n\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", metavar="BASE", help="commit to compare with")
    main(parser.parse_args().base)
