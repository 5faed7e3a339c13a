"""Those problems of the American Mathematics Competition 12 of 2023 that have a number as their answer."""

from tina.evaluation.benchmark import Benchmark
from tina.schema import Columns

BENCHMARK = Benchmark(
    title="AMC23",
    size=40,
    hub_id="knoveleng/AMC-23",
    split="train",
    columns=Columns(question="problem", answer="answer"),
)
