"""The class whose methods mark the stages of a run."""

import os
import shutil


class InferenceExperimentRunner:
    """Writes what a real run has written (`$STANDIN_TREE`)."""

    def __init__(self, output):
        self.output = output

    def setup(self):
        pass

    def run(self):
        if tree := os.environ.get("STANDIN_TREE"):
            shutil.copytree(tree, self.output, dirs_exist_ok=True, copy_function=shutil.copyfile)
