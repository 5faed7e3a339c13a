"""Train one run, or a grid of them (-m), composed from the groups under conf/; `python train.py --help` lists them."""

import sys

import hydra
from omegaconf import DictConfig

from tina import cli, configs, identity

configs.register()


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def run(config: DictConfig) -> None:
    from tina import summary

    values = configs.typed_values(config)
    if summary.show_done(identity.run_folder(values)):
        return
    from tina.experiment import run_experiment  # torch is loaded only once everything has been checked

    with cli.errors_in_words():
        run_experiment(configs.to_typed(values))


if __name__ == "__main__":
    cli.pass_gate(sys.argv[1:])
    run()
