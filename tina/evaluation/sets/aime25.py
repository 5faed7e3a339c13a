"""The two American Invitational Mathematics Examinations of 2025; every answer is an integer from 0 to 999."""

from tina.evaluation.benchmark import Benchmark
from tina.schema import Columns

BENCHMARK = Benchmark(
    title="AIME25",
    size=30,
    hub_id="yentinglin/aime_2025",
    split="train",
    columns=Columns(question="problem", answer="answer|solution"),
)
