"""Undergraduate science and mathematics (Lewkowycz et al., 2022); the answer is the box at a worked solution's end."""

from tina.evaluation.benchmark import Benchmark
from tina.schema import Columns

BENCHMARK = Benchmark(
    title="Minerva",
    size=272,
    hub_id="knoveleng/Minerva-Math",
    split="train",
    columns=Columns(question="problem", answer=None, solution="solution"),
)
