"""One call of a function, in a process that a Dask worker starts: ``python -m emnist.cluster.call``.

The worker writes the calls as a line of JSON to standard input, and closes it when the process should end. The last
line on standard output is the result.
"""

import base64
import json
import os
import pickle
import sys
import threading

from emnist.utils.errors import run_cli


def main():
    line = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_worker, daemon=True).start()
    function, tasks = pickle.loads(base64.b64decode(line["calls"]))  # from the process that started this one
    print(json.dumps({"result": function(*tasks[line["number"]])}), flush=True)


def _end_with_worker():
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    run_cli(main)
