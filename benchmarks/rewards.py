"""One GRPO step's rewards: graded once by `tina.grading`, and again for each reward as the released code does.

Real completions (Qwen2.5-Math on MATH, ToRA on GSM8K), the seven-reward set of the paper's OpenR1 run, 48 and 512
completions. What it is held against is a restatement of the released code: accuracy, length and cosine each parse gold
and completion with math-verify and compare them, one completion after the other, under math-verify's own five-second
alarms; the other four rewards are the same functions on both sides. Then the 512 again, with five completions in them
that nothing can evaluate in time.

    python benchmarks/rewards.py
"""

import argparse
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

import yaml
from latex2sympy2_extended import NormalizationConfig
from math_verify import LatexExtractionConfig, parse, verify

from tina.grading import Grade, Grader
from tina.rewards import RewardBatch, get_reward

ROOT = Path(__file__).resolve().parent.parent
COMPLETIONS = ROOT.parent / "shared" / "data" / "completions"
MAX_TOKENS = 3584
GRADING_REWARDS = ("accuracy", "length", "cosine")
HOSTILE = [rf"So it is $\boxed{{\prod_{{n=1}}^{{99999}}(1+\frac{{1}}{{n^3+{k}}})}}$." for k in range(5)]
AS_RELEASED = LatexExtractionConfig(
    normalization_config=NormalizationConfig(
        nits=False, malformed_operators=False, basic_latex=True, equations=True, boxed="all", units=True
    ),
    boxed_match_priority=0,
    try_extract_without_anchor=False,
)

Step = Callable[[list[str], list[str]], list[Grade]]


def real_completions() -> tuple[list[str], list[str]]:
    """(golds, completions): 8 per MATH problem, then one per GSM8K problem."""
    rows = [
        json.loads(line)
        for line in (COMPLETIONS / "qwen25math_math50x8.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    pairs = [(row["gold"], completion) for row in rows for completion in row["completions"]]
    rows = [
        json.loads(line) for line in (COMPLETIONS / "tora70b_gsm8k_200.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    pairs += [(row["gt"], code) for row in rows for code in row["code"]]
    golds, completions = zip(*pairs, strict=True)
    return list(golds), list(completions)


def seven_rewards(completions: list[str], grades_for: Callable[[str], list[Grade]]) -> dict[str, list[float | None]]:
    """The rewards of conf/reward/seven_as_released.yaml; `grades_for` says which verdicts a reward is given."""
    terms = yaml.safe_load((ROOT / "conf" / "reward" / "seven_as_released.yaml").read_text(encoding="utf-8"))["rewards"]
    none = [Grade("wrong", None, "")] * len(completions)
    rewards = {}
    for name, term in terms.items():
        grades = grades_for(name) if name in GRADING_REWARDS else none
        tokens = [len(completion) // 4 for completion in completions]
        batch = RewardBatch(completions, grades, tokens, MAX_TOKENS, 8, False)
        rewards[name] = get_reward(name)(batch, **term.get("options", {}))
    return rewards


def released_grades(golds: list[str], completions: list[str]) -> list[Grade]:
    """One reward's own grading of the batch, serially."""
    grades = []
    for gold, completion in zip(golds, completions, strict=True):
        expected = parse(f"${gold}$", extraction_mode="first_match")
        found = parse(completion, [AS_RELEASED], extraction_mode="first_match")
        verdict = "correct" if verify(found, expected) else "wrong"
        grades.append(Grade(verdict if expected else "unjudged", None, "math-verify"))
    return grades


def released_step(golds: list[str], completions: list[str]) -> dict[str, list[float | None]]:
    return seven_rewards(completions, lambda _: released_grades(golds, completions))


def step_of(grader: Grader) -> Callable[[list[str], list[str]], dict[str, list[float | None]]]:
    def step(golds: list[str], completions: list[str]) -> dict[str, list[float | None]]:
        grades = grader.grade(golds, completions)
        return seven_rewards(completions, lambda _: grades)

    return step


def seconds(step: Callable, golds: list[str], completions: list[str], times: int) -> tuple[float, float]:
    """(fastest of several runs, share of right answers); whoever is slow is measured as often as whoever is fast."""
    measured = []
    for _ in range(times):
        start = time.perf_counter()
        rewards = step(golds, completions)
        measured.append(time.perf_counter() - start)
    return min(measured), sum(reward or 0 for reward in rewards["accuracy"]) / len(golds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=3, help="runs of each, of which the fastest counts")
    parser.add_argument("--timeout-s", type=float, default=5.0, help="per-item limit for the hostile batch")
    options = parser.parse_args()
    if not COMPLETIONS.is_dir():
        raise SystemExit(f"The completions are not at {COMPLETIONS}: this benchmark needs them beside the repository.")
    logging.disable(logging.WARNING)
    golds, completions = real_completions()
    released_step(golds[:2], completions[:2])  # imports and regular expressions are nobody's cost
    print(f"{'completions':>12} {'grading':>22} {'seconds':>9} {'right':>7} {'times faster':>13}")
    ratios = {}
    for count in (48, 512):
        batch = golds[:count], completions[:count]
        base, right = seconds(released_step, *batch, options.times)
        print(f"{count:>12} {'again for each reward':>22} {base:>9.3f} {right:>7.3f} {1.0:>13.1f}")
        for mode in ("as_released", "sound"):
            grader = Grader(mode=mode, timeout_s=options.timeout_s)
            first, _ = seconds(step_of(grader), *batch, 1)
            fastest, right = seconds(step_of(grader), *batch, options.times)
            grader.close()
            for name, took in ((f"{mode}, first step", first), (mode, fastest)):
                print(f"{count:>12} {name:>22} {took:>9.3f} {right:>7.3f} {base / took:>13.1f}")
            ratios[mode, count] = base / fastest
    hostile(golds[:512], completions[:512], options.timeout_s)
    print(f"ratio at 48: {ratios['sound', 48]:.1f}   ratio at 512: {ratios['sound', 512]:.1f}")


def hostile(golds: list[str], completions: list[str], timeout_s: float) -> None:
    """How much longer a step takes with five answers in it that run into the limit."""
    grader = Grader(timeout_s=timeout_s)
    grader.grade(["55"], [r"\boxed{\sum_{k=1}^{10}k}"])  # the pool is running, as it is in the middle of a training run
    step = step_of(grader)
    clean, _ = seconds(step, golds, completions, 1)
    mixed_golds, mixed = golds + ["\\pi"] * len(HOSTILE), completions + HOSTILE
    with_hostile, _ = seconds(step, mixed_golds, mixed, 1)
    counters = grader.counters
    grader.close()
    print(f"{len(mixed):>12} {'sound, five hostile':>22} {with_hostile:>9.3f}   {counters['timeouts']} timed out")
    print(f"over the clean time: {(with_hostile - clean) / timeout_s:.2f} of the limit of {timeout_s:g} s per item")


if __name__ == "__main__":
    main()
