"""The embedded task, the split that tables report."""

from tina.evaluation.benchmark import Benchmark
from tina.tiny import task

BENCHMARK = Benchmark(
    title="Arithmetic (test)",
    size=256,
    generate=lambda: task.problems("test", 256, seed=0),
    template="{question}",
)
