"""A penalty for saying the same thing over and over."""

from tina.rewards.registry import RewardBatch, reward


@reward("repetition_penalty")
def repetition_penalty_reward(
    batch: RewardBatch, *, ngram_words: int = 3, max_penalty: float = -1.0
) -> list[float | None]:
    """max_penalty x (1 - unique n-grams / all n-grams) over lower-cased words; 0 for fewer than n words.

    From "Demystifying Long Chain-of-Thought Reasoning in LLMs" (Yeo et al., 2025), appendix on the repetition penalty.
    """
    return [max_penalty * _repeated_share(completion, ngram_words) for completion in batch.completions]


def _repeated_share(text: str, ngram_words: int) -> float:
    words = text.lower().split()
    ngrams = list(zip(*(words[start:] for start in range(ngram_words)), strict=False))
    return 1.0 - len(set(ngrams)) / len(ngrams) if ngrams else 0.0
