"""Check params.yaml before any work is done, and name the sources of the images for the stage `download`."""

from emnist.data.files import write_json
from stages._process import run_stage


def main(params):
    # Nothing else, so that a change of another parameter re-runs only the stages that depend on it.
    write_json("data/sources.json", {name: params.download[name].model_dump(mode="json") for name in params.source})


if __name__ == "__main__":
    run_stage(main)
