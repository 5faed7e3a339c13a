"""500 problems of the MATH test set (Lightman et al., 2023); answers are expressions."""

from tina.evaluation.benchmark import Benchmark
from tina.schema import Columns

BENCHMARK = Benchmark(
    title="MATH500",
    size=500,
    hub_id="HuggingFaceH4/MATH-500",
    columns=Columns(question="problem", answer="answer"),
)
