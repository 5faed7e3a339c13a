"""What `--help` prints: examples, every group with its choices, where the rest is to be found.

Hydra's own list of groups parses its search path again for each folder, which takes seconds; this one
lists the folders.
"""

import textwrap

import yaml

from tina.configs import CONF, ROOT, choices

TRAIN = """\
Trains a LoRA adapter (or a grid of them) with GRPO, evaluates its checkpoints, logs to W&B.

python train.py                                              the embedded default, a minute or two
python train.py experiment=open_rs2 lora.rank=16             one of the paper's runs, with a change
python train.py -m lora.rank=4,8,16                          a sweep by hand; the same command again runs what is left
python train.py -m +sweeps=lora_rank hydra/launcher=plan     what an ablation would run; starts nothing

Groups (group=choice):

{groups}

Ablations, with -m:

{sweeps}

Launchers (hydra/launcher=choice): {launchers}

Any setting by its dotted name (lora.rank=8); all of them, as composed: python train.py --cfg job
Any field of TRL's GRPOConfig: trainer.<field>=<value>
Tab completion: eval "$(python train.py -sc install=bash)"
"""

EVALUATE = """\
Evaluates the base and the checkpoints of a run, or a model, through one engine; no sample is paid twice.

python evaluate.py run=outputs/runs/<run>                                     base and every checkpoint
python evaluate.py run=outputs/runs/<run> checkpoints=last                    or chosen, around_transition, [50,100]
python evaluate.py model=baseline_open_rs1 benchmarks=paper                   a published baseline
python evaluate.py -m model=tiny,tiny_c benchmarks.samples=4                  several models, or runs

Groups (group=choice); of a run, model and prompt are its own:

{groups}

A benchmark from a file: benchmarks.paths.aime24=<file>; without some: benchmarks.skip=[gpqa_diamond]
Any setting by its dotted name (benchmarks.samples=10); all of them, as composed: python evaluate.py --cfg job
"""

TEXTS = {"train": TRAIN, "evaluate": EVALUATE}


def usage(config_name: str) -> str:
    """The help of an entry point, by the name of its file in conf/."""
    defaults = yaml.safe_load((CONF / f"{config_name}.yaml").read_text(encoding="utf-8"))["defaults"]
    named = (name for entry in defaults if isinstance(entry, dict) for name in entry)
    groups = [name for name in named if not name.startswith("override")]
    sweeps = {f"+{folder}": choices(ROOT / folder) for folder in ("sweeps", "sweeps/quickstart")}
    return TEXTS[config_name].format(
        groups="\n".join(_line(group, choices(CONF / group)) for group in groups),
        sweeps="\n".join(_line(folder, names, "=") for folder, names in sweeps.items()),
        launchers=", ".join(choices(CONF / "hydra/launcher")),
    )


def _line(name: str, found: list[str], sign: str = ":") -> str:
    return textwrap.fill(f"{name}{sign} {', '.join(found)}", 110, subsequent_indent="    ", break_on_hyphens=False)
