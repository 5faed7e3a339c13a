"""Studies: which arms belong to a sweep, on disk and (so that tables can be made from W&B alone) as a small W&B run.

    python -m tina.study quickstart                          every ablation on the embedded model
    python -m tina.study paper hydra/launcher=plan           every ablation of the paper, as a plan
    python -m tina.study lora_rank quickstart/reward seed=1  some, by the names of their files under sweeps/

Arms that several ablations share are run once; what is done already is not run again.
"""

import difflib
import json
import re
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import yaml

from tina import configs, files, foreign, gate, identity, terminal
from tina.errors import UserError
from tina.gate import Grid
from tina.sampler.installed import vllm_problem
from tina.schema import Tracking

SWEEPS = configs.ROOT / "sweeps"


def manifest(grid: Grid) -> dict[str, Any]:
    """What a table needs to know of a sweep: its axes and layout, and each arm's digest with what was swept."""
    axes = {key: [choice.split("=", 1)[1] for choice in choices] for key, choices in grid.axes.items()}
    layout = grid.arms[0].config["study"]
    return {
        "study": layout["name"] or _name_of(axes),
        "title": layout["title"] or f"Sweep over {', '.join(axes)}",
        "source": grid.source,
        "axes": axes,
        "layout": {name: layout[name] for name in ("published", "published_arms", "labels")},
        "arms": [
            {
                "digest": arm.digest,
                "label": layout["labels"].get(arm.label, arm.label),
                "overrides": arm.swept,
                "seed": arm.config["seed"],
                "folder": str(arm.folder),
            }
            for arm in grid.arms
        ],
    }


def _name_of(axes: dict[str, list[str]]) -> str:
    """`lora.rank` of a sweep over one key, `lora.rank_x_seed` of one over two."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", "_x_".join(axes)) or "single"


def record_sweep(grid: Grid) -> Path:
    """Writes a sweep's manifest and logs it; a sweep that is recorded already, arm for arm, is left as it is."""
    from tina import tracking

    made = manifest(grid)
    first = grid.arms[0].config
    path = identity.study_file(first["paths"]["outputs"], made["study"])
    if foreign.json_or_told(path) == made:
        return path
    files.write_json(path, made)
    run = tracking.start(
        Tracking(**first["tracking"]),
        path.parent / made["study"],
        run_id=identity.text_digest(json.dumps(made, sort_keys=True)),
        job_type="study",
        name=made["study"],
        config={"study": made},
    )
    run.finish()
    return path


def studies_of(outputs: str | Path, digest: str) -> list[str]:
    """The recorded studies that a run belongs to."""
    found = recorded(outputs).values()
    return [told["study"] for told in found if any(arm["digest"] == digest for arm in told["arms"])]


def recorded(outputs: str | Path) -> dict[str, dict[str, Any]]:
    """Manifest of each study by its file's name; a file that holds none is left out, and told."""
    found = {}
    for path in sorted((Path(outputs) / "studies").glob("*.json")):
        told = foreign.json_or_told(path)
        if _is_manifest(told):
            found[path.stem] = told
        elif told is not None:
            foreign.tell(f"{path} is no study of this version, and is left out.")
    return found


def _is_manifest(told: Any) -> bool:
    match told:
        case {"study": str(), "title": str(), "arms": [*arms]}:
            texts = ("digest", "label", "folder")
            return all(isinstance(arm, dict) and all(isinstance(arm.get(t), str) for t in texts) for arm in arms)
    return False


def sweep_names(name: str) -> list[str]:
    """The sweep files that `quickstart`, `paper` (those that answer to a published table) or a file's name stands for.

    Raises UserError for a name that stands for nothing.
    """
    everything = sorted(p.relative_to(SWEEPS).with_suffix("").as_posix() for p in SWEEPS.rglob("*.yaml"))
    if name == "quickstart":
        return [sweep for sweep in everything if sweep.startswith("quickstart/")]
    if name == "paper":
        headers = {
            s: yaml.safe_load((SWEEPS / f"{s}.yaml").read_text(encoding="utf-8")) for s in everything if "/" not in s
        }
        return [sweep for sweep, header in headers.items() if header.get("study", {}).get("published")]
    if name in everything:
        return [name]
    near = difflib.get_close_matches(name, everything, n=3, cutoff=0.4)
    raise UserError(
        f"There is no study {name}: give quickstart, paper, or a file under sweeps/"
        + (f" (did you mean {' or '.join(near)}?)." if near else ".")
    )


def grids(names: Sequence[str], overrides: Sequence[str]) -> list[Grid]:
    """The checked grid of each sweep file. Raises UserError with every problem of every grid."""
    if not any(override.startswith("hydra/launcher=") for override in overrides):
        overrides = [*overrides, "hydra/launcher=local"]
    found, problems = [], []
    for name in names:
        group, _, choice = f"sweeps/{name}".rpartition("/")
        grid = gate.check([f"+{group}={choice}", *overrides], multirun=True)
        problems += [f"{name}: {problem}" for problem in grid.problems]
        found.append(grid)
    if problems:
        raise UserError("\n".join([*problems, "Nothing was started."]))
    return found


def run_study(names: Sequence[str], overrides: Sequence[str], asked_for: Collection[str] = ()) -> int:
    """Runs every arm of the sweeps that is not done, each once; the exit code, 0 if all are done in the end.

    A sweep that was not `asked_for` by its own name is left out, and told, where all its arms need a vLLM that is not
    here. Jobs of a cluster run elsewhere, and a plan runs nothing: neither leaves any out.
    """
    from tina import plan
    from tina.launch import job, local, slurm
    from tina.launch.settings import CLUSTER, SlurmSettings

    checked = grids(names, overrides)
    if checked[0].launcher != "plan" and not checked[0].launcher.startswith(CLUSTER) and (problem := vllm_problem()):
        needing = [
            name for name, grid in zip(names, checked, strict=True) if name not in asked_for and _needs_vllm(grid)
        ]
        for name in needing:
            print(f"{name} is left out: {problem}", flush=True)
        checked = [grid for name, grid in zip(names, checked, strict=True) if name not in needing]
    arms = list({arm.digest: arm for grid in checked for arm in grid.arms}.values())
    if checked[0].launcher == "plan":
        for grid in checked:
            plan.show(grid.arms, f"Plan of {grid.source}")
        print(f"{len(arms)} different arms in all.")
        return 0
    for grid in checked:
        record_sweep(grid)
    jobs = [job.Job(arm.config, arm.digest, f"{arm.config['study']['name']}: {arm.label}") for arm in arms]
    waiting = [one for one in jobs if not one.done]
    done = len(jobs) - len(waiting)
    print(f"{len(jobs)} different arms in {len(checked)} ablations, {done} done before.", flush=True)
    if not waiting:
        return 0
    settings = checked[0].settings
    if checked[0].launcher.startswith(CLUSTER):
        return slurm.run(waiting, SlurmSettings(**settings))
    workers = min(settings["workers"] or local.default_workers(waiting[0].config), len(waiting))
    codes = local.run_jobs(waiting, workers)
    print(f"{sum(code == 0 for code in codes)} of {len(codes)} arms done now; python analysis/tables.py shows them.")
    return 0 if not any(codes) else 1


def _needs_vllm(grid: Grid) -> bool:
    return all(arm.typed.sampler.backend == "vllm" for arm in grid.arms)


def main() -> None:
    names = [argument for argument in sys.argv[1:] if "=" not in argument and not argument.startswith("-")]
    if not names or {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__)
        sys.exit(0 if names or len(sys.argv) > 1 else 2)
    from tina import cli

    configs.register()
    with cli.errors_in_words():
        sweeps = list(dict.fromkeys(sweep for name in names for sweep in sweep_names(name)))
        sys.exit(run_study(sweeps, [argument for argument in sys.argv[1:] if "=" in argument], asked_for=names))


if __name__ == "__main__":
    terminal.prepare()
    main()
