"""Text read from a person's own pictures: lines, and the fields of forms."""

import csv
import sys

from emnist.cli import predict
from emnist.utils.errors import UserError, printable

EXAMPLE = "emnist read --characters 0-9 page.png"


def add_arguments(parser):
    predict.add_pictures(parser, "a picture of hand-printed text")
    forms = parser.add_mutually_exclusive_group()
    forms.add_argument(
        "--fields",
        metavar="FIELDS.csv",
        help="read the fields of a form, which this table describes: field,left,top,width,height,characters, in pixels",
    )
    forms.add_argument("--boxes", action="store_true", help="find the boxes of a form, and read what is in each")
    predict.add_alphabet(parser)


def main(options):
    alphabet = predict.alphabet_of(options)
    reader, *others = predict.load_readers(options.model).values()
    if others:
        raise UserError("--model should name one network to read with, but names several: leave out the others")
    errors = predict.Errors()
    pages = read(reader, options, alphabet, errors)
    WRITERS[options.format](pages)
    sys.exit(bool(errors))


def read(reader, options, alphabet, errors):
    """Read pictures; one that cannot be read is reported on standard error, appended to `errors` and left out.

    Yields
    ------
    dict
        ``file`` and ``lines``, a list of what `emnist.reading.text.Line.values` gives.
    """
    from emnist.reading.forms import collect_warnings

    for file in [file for name in options.images for file in predict.find_files(name, errors)]:
        try:
            (picture, name), notes = predict.input_of(file), []
            with predict.c_stderr_dropped(), collect_warnings(notes):
                lines = reader.read(picture, **alphabet, fields=options.fields, boxes=options.boxes, name=name)
            predict.note_pages(picture, name)
            for note in notes:
                print(f"note: {note}", file=sys.stderr)
            yield {"file": file, "lines": [line.values() for line in lines]}
        except UserError as error:
            errors.append(error)


def write_text(pages):
    for page in pages:
        for line in page["lines"]:
            field = f" {line['field']}" if line["field"] else ""
            print(printable(f"{page['file']}{field}: {line['text']}"))


def write_csv(pages):
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["file", "field", "line", "text", "probability"])
    for page in pages:
        for number, line in enumerate(page["lines"], 1):
            table.writerow([printable(page["file"]), line["field"], number, line["text"], line["probability"]])


WRITERS = predict.WRITERS | {"text": write_text, "csv": write_csv}
