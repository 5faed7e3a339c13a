"""The model card of an exported checkpoint: what it is, how it was made, what it scores and cost."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tina import foreign
from tina.evaluation.run_folder import RunFolder
from tina.evaluation.table import interval
from tina.schema import Dataset, alpha, horizon_steps
from tina.selection import bias_in_words


def model_card(run: RunFolder, step: int, merge: str | None, difference: dict[str, float]) -> str:
    """Markdown with the header that model hubs read. A score or a cost that was not measured is not mentioned."""
    parts = [
        _header(run, merge),
        f"# {run.path.name}, step {step}\n",
        _what(run, step, merge),
        _table("Recipe", ("setting", "value"), _recipe(run)),
        _scores(run, step),
        _choice(run, step),
        _table("Cost of the training run", ("", ""), _cost(run)),
        _difference(run, merge, difference),
        _use(run, merge),
    ]
    return "\n".join(part for part in parts if part)


def _header(run: RunFolder, merge: str | None) -> str:
    lines = ["---", f"base_model: {run.config.model.path}"]
    if run.config.dataset.hub_id:
        lines += ["datasets:", f"- {run.config.dataset.hub_id}"]
    library = "transformers" if merge else "peft"
    return "\n".join(
        [*lines, f"library_name: {library}", "pipeline_tag: text-generation", "tags: [grpo, lora]", "---\n"]
    )


def _what(run: RunFolder, step: int, merge: str | None) -> str:
    form = f"merged into its base in float32 and written as {merge}" if merge else "a LoRA adapter"
    text = (
        f"{run.config.model.path}, trained by reinforcement learning ({run.config.algorithm.name}) on "
        f"{_data(run.config.dataset)}: step {step} of {run.config.schedule.max_steps}, {form}.\n"
    )
    if run.config.model.path.startswith("embedded:"):
        text += "\nThe base is a tiny model on generated arithmetic. Nothing here says anything about large models.\n"
    return text


def _data(dataset: Dataset) -> str:
    if dataset.generator:
        return f"problems made by the generator `{dataset.generator}` ({dataset.split}, {dataset.size} problems)"
    return f"{dataset.hub_id or dataset.name} ({dataset.split}" + (
        f", {dataset.size} problems)" if dataset.size else ")"
    )


def _recipe(run: RunFolder) -> list[tuple[str, Any]]:
    c = run.config
    return [
        ("LoRA", f"rank {c.lora.rank}, alpha {alpha(c.lora):g}, dropout {c.lora.dropout:g}"),
        ("on", ", ".join(c.lora.target_modules)),
        ("learning rate", f"{c.schedule.learning_rate:g}, {c.schedule.kind} over {horizon_steps(c.schedule)} steps"),
        ("batch", f"{c.batch.completions_per_step} completions a step, {c.batch.num_generations} a prompt"),
        ("loss", f"{c.algorithm.loss_type}, scaled by {c.algorithm.scale_rewards}, beta {c.algorithm.beta:g}"),
        ("rewards", ", ".join(f"{name} x {term.weight:g}" for name, term in c.reward.rewards.items())),
        ("sampling", f"temperature {c.rollout.temperature:g}, top-p {c.rollout.top_p:g}"),
        ("completions", f"up to {c.length.max_completion_tokens} tokens"),
        ("prompt", c.prompt.name),
        ("seed", c.seed),
        ("run", run.digest),
    ]


def _scores(run: RunFolder, step: int) -> str:
    rows = []
    for told in evaluations(run, step):
        base = next((e["scores"] for e in evaluations(run, 0) if _same_protocol(e, told)), {})
        b = told["cfg"]["benchmarks"]
        how = f"temperature {b['temperature']:g}, top-p {b['top_p']:g}, up to {b['max_new_tokens']} tokens"
        rows += [
            (name, _share(told["scores"], name), _share(base, name), _counts(told["scores"], name), how)
            for name in b["sets"]
            if f"{name}/mean" in told["scores"]
        ]
    names = ("benchmark", "accuracy %", "base %", "problems x samples", "sampled with")
    return _table("Scores, with 95 % intervals", names, rows)


def evaluations(run: RunFolder, step: int) -> list[dict[str, Any]]:
    """What was evaluated of a step, whole, in order of the sets' names."""
    found = sorted((run.path / "evaluations" / f"step-{step}").glob("*/evaluation.json"))
    return [told for path in found if (told := _evaluation(path))]


def _evaluation(path: Path) -> dict[str, Any] | None:
    """A whole evaluation; one that is damaged is left out, and told."""
    told = foreign.json_or_told(path)
    match told:
        case {"scores": {}, "cfg": {"benchmarks": {"sets": [*_]}}} | None:
            return told
    foreign.tell(f"{path} is no evaluation of this version, and is left out.")
    return None


def _same_protocol(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one["cfg"] == other["cfg"]


def _share(scores: dict[str, float], name: str) -> str:
    if f"{name}/mean" not in scores:
        return "not measured"
    return " ".join(interval(scores, name))


def _counts(scores: dict[str, float], name: str) -> str:
    return f"{scores[f'{name}/n_problems']:.0f} x {scores[f'{name}/n_samples']:.0f}"


def _choice(run: RunFolder, step: int) -> str:
    if run.chosen_step != step:
        return "This step was named by hand; it is not the one that the run's rule chose.\n"
    logged = run.summary["logged"]
    text = f"Chosen among {logged['selection/candidates']} checkpoints by the rule {logged['selection/rule']}"
    if "selection/bias" in logged:
        text += f": {bias_in_words(logged['selection/candidates'], logged['selection/bias'])}"
    return f"{text}.\n"


def _cost(run: RunFolder) -> list[tuple[str, Any]]:
    if run.summary is None:
        return []
    logged, hardware = run.summary["logged"], run.config.hardware
    shown = {
        "steps": ("run/steps", "{:,.0f}"),
        "seconds": ("run/seconds", "{:,.0f}"),
        "completion tokens": ("run/completion_tokens", "{:,.0f}"),
        "trained parameters": ("run/trainable_parameters", "{:,.0f}"),
        "share of all parameters": ("run/trainable_share", "{:.2%}"),
        "cost": ("run/cost_usd", "${:,.2f}"),
    }
    rows = [(name, form.format(logged[key])) for name, (key, form) in shown.items() if key in logged]
    priced = f"${hardware.usd_per_hour:g} an hour" if hardware.usd_per_hour else "no price set"
    return [*rows, ("hardware", f"{hardware.processes} x {hardware.gpu or hardware.device}, {priced}")]


def _difference(run: RunFolder, merge: str | None, difference: dict[str, float]) -> str:
    if not difference:
        return ""
    return (
        f"## Merged against adapter\n\nLog-probs of the {merge} weights against the adapter over its "
        f"{run.config.model.dtype} base: mean |difference| {difference['mean']:.2e}, largest {difference['max']:.2e}, "
        f"over {difference['tokens']:.0f} tokens.\n"
    )


def _use(run: RunFolder, merge: str | None) -> str:
    lines = ["from transformers import AutoModelForCausalLM, AutoTokenizer", ""]
    if merge:
        lines += ['model = AutoModelForCausalLM.from_pretrained("<this folder>")']
    else:
        base = run.config.model.path
        local = "<the folder of the base model>" if base.startswith(("embedded:", "/", ".", "~")) else base
        lines[:0] = ["from peft import PeftModel"]
        lines += [
            f'model = AutoModelForCausalLM.from_pretrained("{local}")',
            'model = PeftModel.from_pretrained(model, "<this folder>")',
        ]
    lines += ['tokenizer = AutoTokenizer.from_pretrained("<this folder>")']
    settings = json.dumps(asdict(run.config.prompt), indent=2)
    return "\n".join(
        ["## Use", "", "```python", *lines, "```", "", "Asked in training by:", "", "```json", settings, "```", ""]
    )


def _table(title: str, names: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    rows = list(rows)
    if not rows:
        return ""
    lines = [f"| {' | '.join(str(cell) for cell in row)} |" for row in (names, ("---",) * len(names), *rows)]
    return "\n".join([f"## {title}", "", *lines, ""])
