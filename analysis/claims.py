"""The paper's claims, one row each, judged by the runs at hand.

reproduced and not reproduced take evidence that could have gone the other way: an interval that lies wholly on one
side, or a pattern that all runs, or significantly more than half of them, share. Everything else cannot be told.

"Robust" and "not the key" are held against what training itself brings: a setting matters if it moves accuracy by more
than half of the gain of the study's best arm over its base model. Runs of the paper's scale count before embedded ones.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from analysis import published
from analysis.arms import Comparison, compare
from analysis.checked import is_number
from analysis.columns import number, plain
from analysis.evaluations import Missing, Row
from analysis.metrics import ACCURACY_REWARDS, FORMAT_REWARD, LENGTH
from analysis.published import BASE
from analysis.render import Best, Column, Table
from analysis.studies import is_embedded
from analysis.turns import Series, Turns
from tina.statistics import wilson_interval

EMBEDDED = "embedded model"
REPRODUCED, NOT_REPRODUCED, OPEN = "reproduced", "not reproduced", "cannot be told"


@dataclass(frozen=True)
class Study:
    """A study's name, what it sweeps, which published table it answers to, and its arms."""

    name: str
    axes: frozenset[str]
    published: str | None
    arms: list[Row]


@dataclass(frozen=True)
class Evidence:
    """Everything that a claim can be judged by."""

    runs: list[Row]
    studies: list[Study]
    baselines: list[Row]
    series: Mapping[tuple[str, str], Series]
    turns: Turns


@dataclass(frozen=True)
class Finding:
    """A claim's verdict, why, and the runs or arms that it rests on."""

    verdict: str
    evidence: str
    rows: Sequence[Row] = ()


def claims_table(evidence: Evidence) -> Table:
    """One row for each claim of the paper."""
    rows = []
    for claim, judge in CLAIMS.items():
        found = judge(evidence)
        runs = [run for row in found.rows for run in row.get("seed_runs", [row]) if run["state"] != "not run"]
        rows.append(
            {
                "claim": claim,
                "verdict": found.verdict,
                "evidence": found.evidence,
                "n_runs": len({run["run"] for run in runs}),
                "on": _models(runs),
                "run": " ".join(dict.fromkeys(run["run"] for run in runs)),
            }
        )
    columns = [
        Column("claim of the paper", plain("claim"), numeric=False, wrap=36),
        Column("verdict of the\nruns at hand", _verdict, numeric=False),
        Column("evidence", plain("evidence"), rank=1, numeric=False, wrap=70),
        Column("runs", number("n_runs", "d"), rank=2),
        Column("on", plain("on"), rank=2, numeric=False, wrap=20),
    ]
    notes = [
        "A setting matters if it moves accuracy by more than half of what training brings (best arm minus base model).",
        "A claim about every run is reproduced if it holds in significantly more than half of them (four at least).",
    ]
    if any(row["on"] == EMBEDDED for row in rows):
        notes.append("The embedded model is a tiny one on generated arithmetic; the paper's claims are about 1.5B.")
    return Table("claims", "Claims of the paper", columns, rows, notes)


def _models(runs: Sequence[Row]) -> str:
    """Which models the runs trained."""
    if not runs:
        return Missing("no run")
    if all(map(is_embedded, runs)):
        return EMBEDDED
    names = dict.fromkeys(str(run["settings"].get("model.path", "")).rsplit("/", 1)[-1] for run in runs)
    return ", ".join(filter(None, names)) or Missing("not logged")


def _verdict(row: Row) -> str:
    return row["verdict"] if row["verdict"] == OPEN else Best(row["verdict"])


def _study(evidence: Evidence, table: str, *axes: str) -> Study | None:
    """The study of a question: one that answers to the published table, else the largest that sweeps an axis alone."""

    def measured(study: Study) -> int:
        return sum(not isinstance(arm["accuracy"], Missing) for arm in study.arms)

    fitting = [study for study in evidence.studies if study.published == table or study.axes in map(_only, axes)]
    fitting = [study for study in fitting if measured(study)]
    return max(fitting, key=lambda study: (study.published == table, measured(study)), default=None)


def _only(axis: str) -> frozenset[str]:
    return frozenset({axis})


def _points(share: float) -> str:
    return f"{100 * share:.1f}"


def _moves(arms: Sequence[Row], more: Row, less: Row, what: str, two_sided: bool) -> Finding:
    """Does `more` against `less` move accuracy by more than half of what training brings?"""
    best = max(arms, key=lambda arm: arm["accuracy"])
    shown = f"{what}: {more['arm']} {_points(more['accuracy'])} %, {less['arm']} {_points(less['accuracy'])} %"
    if isinstance(best["base_accuracy"], Missing):
        return Finding(OPEN, f"{shown}; the base model was not evaluated", arms)
    gain = best["accuracy"] - best["base_accuracy"]
    if gain <= 0:
        return Finding(OPEN, f"{shown}; training gains nothing over the base model", arms)
    found = compare(more["evaluation"], less["evaluation"])
    if isinstance(found, Missing):
        return Finding(OPEN, f"{shown}; no paired test ({found})", arms)
    told = f"{shown}; difference {_interval(found)} points, half of training's gain is {_points(gain / 2)}"
    low = found.low if not two_sided else max(0.0, found.low)
    verdict = REPRODUCED if found.high < gain / 2 else NOT_REPRODUCED if low > gain / 2 else OPEN
    return Finding(verdict, told, arms)


def _interval(found: Comparison) -> str:
    return f"{100 * found.difference:+.1f} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]"


def _robust(table: str, *axes: str) -> Callable[[Evidence], Finding]:
    """The best and the worst arm differ by less than half of what training brings."""

    def judge(evidence: Evidence) -> Finding:
        study = _study(evidence, table, *axes)
        arms = [arm for arm in study.arms if not isinstance(arm["accuracy"], Missing)] if study else []
        if len(arms) < 2:
            return Finding(OPEN, "no study with two evaluated arms", arms)
        best = max(arms, key=lambda arm: arm["accuracy"])
        worst = min((arm for arm in arms if arm is not best), key=lambda arm: arm["accuracy"])
        return _moves(arms, best, worst, "best and worst", two_sided=True)

    return judge


def _data_quantity(evidence: Evidence) -> Finding:
    """The largest training set brings no more than the smallest, by more than half of what training brings."""
    study = _study(evidence, "dataset", "dataset", "experiment", "dataset.size")
    arms = [
        arm
        for arm in (study.arms if study else [])
        if not isinstance(arm["accuracy"], Missing) and not isinstance(arm["prompts"], str)
    ]
    if len({arm["prompts"] for arm in arms}) < 2:
        return Finding(OPEN, "no study with training sets of two sizes", arms)
    most, least = (pick(arms, key=lambda arm: arm["prompts"]) for pick in (max, min))
    what = f"{most['prompts']:,.0f} and {least['prompts']:,.0f} prompts"
    return _moves(arms, most, least, what, two_sided=False)


def _less_is_more(evidence: Evidence) -> Finding:
    """Over runs, more training FLOPs go with lower accuracy: Spearman's rank correlation."""
    runs = _scope([run for run in evidence.runs if not isinstance(run["accuracy"], Missing)])
    logged = [run for run in runs if not isinstance(run["flops"], str)]
    if len(logged) < 5:
        return Finding(OPEN, f"FLOPs are logged by {len(logged)} of {len(runs)} runs; it takes 5", logged)
    from scipy.stats import spearmanr

    found = spearmanr([run["flops"] for run in logged], [run["accuracy"] for run in logged])
    rho, p_value = float(found.statistic), float(found.pvalue)
    verdict = OPEN if not p_value < 0.05 else REPRODUCED if rho < 0 else NOT_REPRODUCED
    return Finding(verdict, f"rank correlation of FLOPs and accuracy {rho:+.2f} (p {p_value:.3f})", logged)


def _peaks_earlier(evidence: Evidence) -> Finding:
    """Dr.GRPO's best checkpoint comes earlier than GRPO's, seed against seed (Mann-Whitney)."""
    study = _study(evidence, "algorithm", "algorithm")
    runs = [run for arm in (study.arms if study else []) for run in arm["seed_runs"]]
    steps: dict[str, list[float]] = {"dr_grpo": [], "grpo": []}
    for run in runs:
        if run["settings"].get("algorithm.name") in steps and is_number(run["best_step"]):
            steps[run["settings"]["algorithm.name"]].append(run["best_step"])
    told = ", ".join(f"{name} at step {' '.join(f'{s:.0f}' for s in found)}" for name, found in steps.items() if found)
    if not all(steps.values()):
        return Finding(OPEN, told or "no study with both algorithms", runs)
    if min(map(len, steps.values())) < 2:
        return Finding(OPEN, f"{told}; one seed each: which checkpoint looks best is chance as well", runs)
    from scipy.stats import mannwhitneyu

    earlier, later = (
        float(mannwhitneyu(steps["dr_grpo"], steps["grpo"], alternative=side).pvalue) for side in ("less", "greater")
    )
    verdict = REPRODUCED if earlier < 0.05 else NOT_REPRODUCED if later < 0.05 else OPEN
    return Finding(verdict, f"{told} (one-sided p {min(earlier, later):.3f})", runs)


def _scope(runs: Sequence[Row]) -> list[Row]:
    """Runs of real models where there are any, else all."""
    return [run for run in runs if not is_embedded(run)] or list(runs)


def _share(holds: Sequence[bool], told: str, runs: Sequence[Row]) -> Finding:
    """A claim about every run: significantly more, or fewer, than half of them (Wilson, 95 %); four runs at least."""
    if not holds:
        return Finding(OPEN, told, runs)
    low, high = wilson_interval(sum(holds), len(holds))
    verdict = REPRODUCED if low > 0.5 else NOT_REPRODUCED if high < 0.5 else OPEN
    return Finding(verdict, told, runs)


def _before_transition(evidence: Evidence) -> Finding:
    """The best checkpoint, chosen by accuracy, lies at or before the step where the format turns."""
    runs = [run for run in _scope(evidence.runs) if is_number(run["transition"]) and is_number(run["best_step"])]
    runs = [run for run in runs if run["selection_rule"] in ("held_out", "racing", "best_mean", "best average")]
    holds = [run["best_step"] <= run["transition"] for run in runs]
    told = f"in {sum(holds)} of {len(holds)} runs with a transition and a checkpoint chosen by accuracy"
    return _share(holds, told, runs)


def _no_turn_in_accuracy(evidence: Evidence) -> Finding:
    """Where the format turns, the accuracy reward does not."""
    runs, kinds = [], []
    for run in _scope(evidence.runs):
        found = (evidence.turns(run["run"], metric) for metric in ACCURACY_REWARDS)
        turn = next((turn for turn in found if not isinstance(turn, Missing)), None)
        if is_number(run["transition"]) and turn is not None:
            runs.append(run)
            kinds.append(turn.kind)
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in ("none", "turn", "undecided") if kind in kinds)
    told = f"accuracy reward of {len(kinds)} runs whose format turns: {counts or 'no run'}"
    return _share([kind == "none" for kind in kinds if kind != "undecided"], told, runs)


def _length_stays(evidence: Evidence) -> Finding:
    """With the cap lifted to 8,960 tokens, completions end at 3,000 to 5,000 tokens (last tenth of the steps)."""
    study = _study(evidence, "length_cap", "length", "length.max_completion_tokens")
    caps = {}
    for arm in study.arms if study else []:
        cap = arm["settings"].get("length.max_completion_tokens")
        lengths = [last for run in arm["seed_runs"] if (last := _last_tenth(evidence, run["run"], LENGTH)) is not None]
        if cap and lengths:
            caps[cap] = (sum(lengths) / len(lengths), arm)
    told = ", ".join(f"{length:,.0f} tokens under a cap of {cap:,}" for cap, (length, _) in sorted(caps.items()))
    if not caps or max(caps) < 8000:
        reason = "about 4k can be seen under a cap of some 9k only" if caps else "no study of the cap logged lengths"
        return Finding(OPEN, "; ".join(filter(None, [told, reason])), _arms(caps))
    length, _ = caps[max(caps)]
    return Finding(REPRODUCED if 3000 <= length <= 5000 else NOT_REPRODUCED, told, _arms(caps))


def _arms(caps: Mapping[int, tuple[float, Row]]) -> list[Row]:
    return [arm for _, arm in caps.values()]


def _last_tenth(evidence: Evidence, run: str, metric: str) -> float | None:
    if (run, metric) not in evidence.series:
        return None
    _, values = evidence.series[run, metric]
    return float(values[-max(1, len(values) // 10) :].mean())


def _format_only(evidence: Evidence) -> Finding:
    """Trained without a reward for accuracy, the format does not turn, where with one it does."""
    known = _scope(evidence.runs)
    runs = [run for run in known if _is_format_only(run)]
    if runs and not any(is_number(run["transition"]) for run in known if not _is_format_only(run)):
        return Finding(OPEN, "no run with both rewards turns either: nothing can be told from those with one", runs)
    turns = [evidence.turns(run["run"], FORMAT_REWARD) for run in runs]
    kinds = [turn.kind for turn in turns if not isinstance(turn, Missing)]
    counts = ", ".join(f"{kinds.count(kind)} {kind}" for kind in ("none", "turn", "undecided") if kind in kinds)
    told = f"format reward of {len(kinds)} format-only runs: {counts or 'no run'}"
    return _share([kind == "none" for kind in kinds if kind != "undecided"], told, runs)


def _is_format_only(run: Row) -> bool:
    """No reward that looks at the answer; the released arm's length reward does, and the paper calls it format-only."""
    names = {name.split(".")[2] for name in run["settings"] if name.startswith("reward.rewards.")}
    released = run["settings"].get("reward.name") == "format_only_as_released"
    return bool(names) and (released or not names & {"accuracy", "cosine", "length"})


def _beats_full(evidence: Evidence) -> Finding:
    """The best LoRA run against the best full-parameter model evaluated here, or trained here.

    Models of the published baselines count as full-parameter ones; any other model that was evaluated does not.
    """
    runs = [run for run in evidence.runs if not isinstance(run["accuracy"], Missing)]
    full = [run for run in runs if run["settings"].get("lora.method") == "full"]
    lora = [run for run in runs if run["settings"].get("lora.method", "lora") == "lora"]
    lora = [run for run in lora if bool(full) or not is_embedded(run)]
    published_models = {row["model"] for row in published.rows("baselines")} - {BASE}
    others = full or [base for base in evidence.baselines if base["model"] in published_models]
    if not lora or not others:
        return Finding(OPEN, "no full-parameter model was trained or evaluated here", lora)
    ours, theirs = (max(rows, key=lambda row: row["accuracy"]) for rows in (lora, others))
    found = compare(ours["evaluation"], theirs["evaluation"])
    shown = f"best LoRA {_points(ours['accuracy'])} %, best full-parameter {_points(theirs['accuracy'])} %"
    if isinstance(found, Missing):
        return Finding(OPEN, f"{shown}; no paired test ({found})", [ours])
    verdict = REPRODUCED if found.low > 0 else NOT_REPRODUCED if found.high < 0 else OPEN
    return Finding(verdict, f"{shown}; difference {_interval(found)} points", [ours])


CLAIMS: dict[str, Callable[[Evidence], Finding]] = {
    "Data quantity is not the key": _data_quantity,
    "Less is more: more training FLOPs, lower scores": _less_is_more,
    "Robust to the LoRA rank": _robust("lora_rank", "lora.rank"),
    "Robust to the learning rate": _robust("learning_rate", "schedule.learning_rate"),
    "Robust to the algorithm": _robust("algorithm", "algorithm"),
    "Dr.GRPO peaks earlier than GRPO": _peaks_earlier,
    "Best checkpoint at or before the phase transition": _before_transition,
    "No turn in the accuracy reward": _no_turn_in_accuracy,
    "Completions stay near 4k tokens with the cap lifted": _length_stays,
    "Format-only training shows no transition": _format_only,
    "Beats the full-parameter baseline": _beats_full,
}
