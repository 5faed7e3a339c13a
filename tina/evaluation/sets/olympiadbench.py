"""The English text-only mathematics of OlympiadBench (He et al., 2024); not one of the paper's six."""

from tina.evaluation.benchmark import Benchmark
from tina.schema import Columns

BENCHMARK = Benchmark(
    title="OlympiadBench",
    size=675,
    hub_id="knoveleng/OlympiadBench",
    split="train",
    columns=Columns(question="question", answer="answer"),
)
