"""The report as one HTML page that needs no other file."""

import base64
import html
from pathlib import Path

from emnist.utils.atomic import write_bytes


def write_html_report(path, title, sentences, table, pictures, settings):
    """Write one HTML page that needs nothing else.

    Parameters
    ----------
    path, title, sentences
        Where to write it, its heading, and a paragraph each.
    table, settings : pandas.DataFrame
        The scores as text, a column a model, and the parameters, a column a run.
    pictures : dict of path-like to str
        PNG files, and what each shows.
    """
    values = settings.map(str)
    alike = values.nunique(axis=1) == 1
    figures = "".join(
        f'<figure><img alt="{html.escape(shows)}" src="data:image/png;base64,'
        f'{base64.b64encode(Path(picture).read_bytes()).decode()}"><figcaption>{html.escape(shows)}</figcaption></figure>'
        for picture, shows in pictures.items()
    )
    write_bytes(
        path,
        f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{html.escape(title)}</title>
<style>
body {{ font: 16px/1.5 sans-serif; max-width: 75em; margin: 2em auto; padding: 0 1em }}
table {{ border-collapse: collapse }}
th, td {{ border-bottom: 1px solid #ccc; padding: .2em .7em; text-align: right }}
thead th, .scores td {{ white-space: nowrap }}
tbody th {{ text-align: left; white-space: nowrap }}
figure {{ margin: 2em 0 }}
img {{ max-width: 100% }}
div {{ overflow-x: auto }}
</style>
</head>
<body>
<h1>{html.escape(title)}</h1>
{"".join(f"<p>{html.escape(sentence)}</p>" for sentence in sentences)}
<div>{table.to_html(border=0, classes="scores")}</div>
{figures}
<h2>Parameters in which the runs differ</h2>
<div>{values[~alike].T.to_html(border=0)}</div>
<h2>Parameters of all runs</h2>
<div>{values[alike].iloc[:, 0].to_frame("all runs").to_html(border=0)}</div>
</body>
</html>
""".encode(),
    )
