"""Evaluate the checkpoints of a run, or a model; several of either with -m. `python evaluate.py --help` says how."""

import sys

import hydra
from omegaconf import DictConfig

from tina import cli, configs
from tina.errors import UserError
from tina.schema import EvaluateConfig

configs.register()


@hydra.main(version_base="1.3", config_path="conf", config_name="evaluate")
def run(config: DictConfig) -> None:
    from tina.evaluation.command import run_evaluation  # torch is loaded only once everything has been checked

    with cli.errors_in_words():
        try:
            run_evaluation(configs.typed(config, EvaluateConfig))
        except UserError as error:  # of several runs the others go on
            print(error, file=sys.stderr)
            failed.append(error)


failed: list[UserError] = []

if __name__ == "__main__":
    cli.pass_gate(sys.argv[1:], "evaluate")
    run()
    sys.exit(2 if failed else 0)
