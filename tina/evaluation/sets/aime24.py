"""The two American Invitational Mathematics Examinations of 2024; every answer is an integer from 0 to 999."""

from tina.evaluation.benchmark import Benchmark
from tina.schema import Columns

BENCHMARK = Benchmark(
    title="AIME24",
    size=30,
    hub_id="HuggingFaceH4/aime_2024",
    split="train",
    columns=Columns(question="problem", answer="answer|solution"),
)
