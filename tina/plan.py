"""What a grid would run, as a table; starts nothing and writes nothing."""

from collections.abc import Sequence

from rich.table import Table

from tina.configs import to_typed
from tina.gate import Arm
from tina.progress import console
from tina.schema import horizon_steps


def show(arms: Sequence[Arm], title: str) -> None:
    """Prints one row an arm: what was swept, steps, completions, most tokens, batch, digest, done or not."""
    table = Table(title=title, title_justify="left")
    for name in ("arm", "steps / schedule", "prompts x G", "completions", "tokens at most", "digest", "state"):
        left = name in ("arm", "state")
        table.add_column(name, justify="left" if left else "right", overflow="fold", no_wrap=name != "arm")
    total_steps = total_completions = total_tokens = 0
    for arm in arms:
        config = to_typed(arm.config)
        steps, batch = config.schedule.max_steps, config.batch
        completions = steps * batch.completions_per_step
        tokens = completions * config.length.max_completion_tokens
        total_steps, total_completions = total_steps + steps, total_completions + completions
        total_tokens += tokens
        table.add_row(
            config.study.labels.get(arm.label, arm.label) or "(no sweep)",
            f"{steps:,} / {horizon_steps(config.schedule):,}",
            f"{batch.completions_per_step // batch.num_generations} x {batch.num_generations}",
            f"{completions:,}",
            _millions(tokens),
            arm.digest[:8],
            "done" if arm.done else "to run",
        )
    table.add_section()
    table.add_row(
        f"{len(arms)} arms, {sum(arm.done for arm in arms)} done",
        f"{total_steps:,}",
        "",
        f"{total_completions:,}",
        _millions(total_tokens),
    )
    console.print(table)
    console.print("Nothing was started.")


def _millions(tokens: int) -> str:
    return f"{tokens / 1e6:,.1f} M"
