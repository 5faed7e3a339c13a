"""Train one run, or a grid of them (-m), composed from the groups under conf/; `python train.py --help` lists them."""

import sys
from dataclasses import asdict

import hydra
from omegaconf import DictConfig

from tina import cli, configs

configs.register()


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def run(config: DictConfig) -> None:
    from tina import summary

    typed = configs.typed(config)
    if summary.show_done(asdict(typed)):
        return
    from tina.experiment import run_experiment  # torch is loaded only once everything has been checked

    with cli.errors_in_words():
        run_experiment(typed)


if __name__ == "__main__":
    cli.pass_gate(sys.argv[1:])
    run()
