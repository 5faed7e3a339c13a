"""Graduate-level science, four options each (Rein et al., 2023); the Hub asks for a log-in and an accepted licence."""

from tina.evaluation.benchmark import LETTER, Benchmark, Choices

BENCHMARK = Benchmark(
    title="GPQA Diamond",
    size=198,
    hub_id="Idavidrein/gpqa",
    subset="gpqa_diamond",
    split="train",
    columns=Choices("Question", "Correct Answer", tuple(f"Incorrect Answer {i}" for i in (1, 2, 3))),
    template=LETTER,
)
