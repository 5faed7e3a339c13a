"""What a grid would run and cost, as a table; starts nothing and writes nothing."""

from collections.abc import Sequence

from rich.measure import Measurement
from rich.table import Table

from tina.cost import WORST_RATIO, Forecast, Unknown, forecast, forecast_evaluation, shape_of, training_bytes
from tina.gate import Arm
from tina.progress import console
from tina.schema import TrainConfig, completions_per_forward, horizon_steps, longest_sequence

COLUMNS = (
    *("arm", "steps /\nschedule", "prompts\nx G", "comple-\ntions", "tokens\nat most", "hours", "GPU-\nhours", "$"),
    *("eval.\nhours", "eval.\n$", "digest", "state"),
)


FIRST_TO_GO = ("tokens\nat most", "prompts\nx G", "GPU-\nhours", "comple-\ntions", "digest", "steps /\nschedule")
"""What a narrow terminal leaves out, in this order."""
NARROWEST_ARM, WIDEST = 20, 1000


def show(arms: Sequence[Arm], title: str) -> None:
    """Prints one row an arm: what was swept, steps, completions, most tokens, forecast of its training, done or not."""
    rows = []
    total_steps = total_completions = total_tokens = 0
    forecasts, evaluations = [], []
    for arm in arms:
        config = arm.typed
        steps, batch = config.schedule.max_steps, config.batch
        completions = steps * batch.completions_per_step
        tokens = completions * config.length.max_completion_tokens
        total_steps, total_completions = total_steps + steps, total_completions + completions
        total_tokens += tokens
        forecasts.append(forecast(config))
        evaluations.append(forecast_evaluation(config))
        row = (
            config.study.labels.get(arm.label, arm.label) or "(no sweep)",
            f"{steps:,} / {horizon_steps(config.schedule):,}",
            f"{batch.completions_per_step // batch.num_generations} x {batch.num_generations}",
            f"{completions:,}",
            _millions(tokens),
            *_priced([forecasts[-1]]),
            *_priced([evaluations[-1]], ("hours", "usd")),
            arm.digest[:8],
            "done" if arm.done else "to run",
        )
        rows.append(row)
    total = (
        f"{len(arms)} arms, {sum(arm.done for arm in arms)} done",
        f"{total_steps:,}",
        "",
        f"{total_completions:,}",
        _millions(total_tokens),
        *_priced(forecasts),
        *_priced(evaluations, ("hours", "usd")),
        "",
        "",
    )
    left_out: list[str] = []
    table = _table(title, rows, total, left_out)
    for name in FIRST_TO_GO:
        if Measurement.get(console, console.options.update(max_width=WIDEST), table).minimum <= console.width:
            break
        left_out.append(name)
        table = _table(title, rows, total, left_out)
    console.print(table)
    if left_out:
        names = ", ".join(name.replace("-\n", "").replace("\n", " ") for name in left_out)
        console.print(f"Left out, since the terminal is {console.width} characters wide: {names}.")
    for sentence in [*_memory([arm.typed for arm in arms]), *_rests_on(forecasts, evaluations)]:
        console.print(sentence)
    console.print("Nothing was started.")


def _memory(configs: Sequence[TrainConfig]) -> list[str]:
    """What the largest training pass takes, and what half of its completions would."""
    known = [(training_bytes(config, shape), config, shape) for config in configs if (shape := shape_of(config.model))]
    if not known:
        return []
    most, config, shape = max(known, key=lambda one: one[0])
    completions = completions_per_forward(config.batch, config.hardware)
    told = (
        f"Memory: one training pass takes about {_gib(most)} at most, with {completions} completions of "
        f"{longest_sequence(config):,} tokens, prompt included"
    )
    if completions > 1:
        half = _gib(training_bytes(config, shape, completions // 2))
        told += f" (batch.completions_per_forward={completions // 2}: {half})"
    return [f"{told}; an engine beside it takes its own."]


def _gib(size: float) -> str:
    return f"{size / 2**30:.1f} GiB"


def _table(title: str, rows: Sequence[Sequence[str]], total: Sequence[str], left_out: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left")
    kept = [place for place, name in enumerate(COLUMNS) if name not in left_out]
    for name in (COLUMNS[place] for place in kept):
        if name == "arm":
            table.add_column(name, overflow="fold", min_width=NARROWEST_ARM)
        else:
            table.add_column(name, justify="left" if name == "state" else "right", no_wrap=True)
    for row in rows:
        table.add_row(*(row[place] for place in kept))
    table.add_section()
    table.add_row(*(total[place] for place in kept))
    return table


def _priced(
    forecasts: Sequence[Forecast | Unknown], facts: Sequence[str] = ("hours", "gpu_hours", "usd")
) -> tuple[str, ...]:
    """Hours one after the other, GPU-hours, dollars; at least so much where some are not known."""
    known = [found for found in forecasts if isinstance(found, Forecast)]
    if not known:
        return ("?",) * len(facts)
    sign = "≥" if len(known) < len(forecasts) else "≤" if any(found.bound for found in known) else ""
    sums = (sum(getattr(found, fact) for found in known) for fact in facts)
    return tuple(f"{sign}{value:,.1f}" for value in sums)


def _rests_on(forecasts: Sequence[Forecast | Unknown], evaluations: Sequence[Forecast | Unknown]) -> list[str]:
    """What a reader of the prices must know."""
    told = []
    both = [*forecasts, *evaluations]
    if any(isinstance(found, Forecast) for found in forecasts):
        told.append(
            "Forecast from shapes, data sheet, length.expected_tokens, and one efficiency fitted to the paper's "
            "published training costs on L40S, of which it misses the worst by a factor of "
            f"{WORST_RATIO} when that is left out. Untested on other hardware. Waiting in a queue is not in it."
        )
    if any(isinstance(found, Forecast) and found.hours for found in evaluations):
        told.append(
            "Evaluation apart: base and every checkpoint on one GPU, with the efficiency of training and "
            "benchmarks.expected_tokens an answer; no published price tests it checkpoint by checkpoint."
        )
    if any(isinstance(found, Forecast) and found.bound for found in forecasts):
        told.append(
            "≤: length.expected_tokens (on a CPU, length.expected_longest_tokens) is not set, so every completion was "
            "taken to be as long as the cap."
        )
    if any(isinstance(found, Forecast) and found.bound for found in evaluations):
        told.append("≤: benchmarks.expected_tokens is not set, so every answer was taken to be as long as it may be.")
    reasons = dict.fromkeys(found.reason for found in both if isinstance(found, Unknown))
    if reasons:
        told.append(f"?: no forecast: {'; '.join(reasons)}.")
    return told


def _millions(tokens: int) -> str:
    return f"{tokens / 1e6:,.1f} M"
