"""The embedded task, the split that checkpoints are chosen on."""

from tina.evaluation.benchmark import Benchmark
from tina.tiny import task

BENCHMARK = Benchmark(
    title="Arithmetic (validation)",
    size=256,
    generate=lambda: task.problems("validation", 256, seed=0),
    template="{question}",
)
