"""How good an embedded model is: `python -m tina.tiny.score [FOLDER ...]`, some seconds; the shipped ones by default.

Answers are compared as text, which is enough for small whole numbers; runs of the suite grade with `tina.grading`.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from tina.data.problem import Problem
from tina.tiny import MIXES
from tina.tiny import folder as shipped
from tina.tiny.task import problems

BOXED = re.compile(r"\\boxed\{([^{}]*)\}")
CLOSING_LINE = re.compile(r"^</think>$", re.MULTILINE)


@dataclass(frozen=True)
class Score:
    """Shares of completions in 0..1, and their mean length in tokens, the end token included."""

    accuracy: float
    format: float
    mean_tokens: float
    truncated: float
    n_problems: int


def chat(tokenizer: PreTrainedTokenizerBase, question: str) -> str:
    """The prompt the model is taught on: the question as the only user message, and the start of an answer."""
    message = [{"role": "user", "content": question}]
    return tokenizer.apply_chat_template(message, add_generation_prompt=True, tokenize=False)


def score(
    folder: Path, size: int = 200, temperature: float = 1.0, max_completion_tokens: int = 120, seed: int = 0
) -> Score:
    """Scores one sampled completion (greedy at temperature 0) for each of `size` test problems.

    Leaves the global random state as it was.
    """
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    return score_model(model, tokenizer, problems("test", size), temperature, max_completion_tokens, seed)


def score_model(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    asked: list[Problem],
    temperature: float = 1.0,
    max_completion_tokens: int = 120,
    seed: int = 0,
) -> Score:
    """The same for a model in memory, on problems of the caller's choice."""
    prompts = [chat(tokenizer, problem.question) for problem in asked]
    inputs = tokenizer(prompts, return_tensors="pt", padding=True, padding_side="left")
    sampling = {"do_sample": True, "temperature": temperature} if temperature else {"do_sample": False}
    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        torch.manual_seed(seed)
        output = model.generate(**inputs, **sampling, max_new_tokens=max_completion_tokens, top_k=0, top_p=1.0)
    completions = output[:, inputs.input_ids.shape[1] :]
    ended = (completions == tokenizer.eos_token_id).any(dim=1)
    texts = tokenizer.batch_decode(completions, skip_special_tokens=True)
    n_problems = len(asked)
    return Score(
        accuracy=sum(is_correct(text, p.gold) for text, p in zip(texts, asked, strict=True)) / n_problems,
        format=sum(has_format(text) for text in texts) / n_problems,
        mean_tokens=(completions != tokenizer.pad_token_id).sum().item() / n_problems,
        truncated=1 - ended.float().mean().item(),
        n_problems=n_problems,
    )


def is_correct(completion: str, gold: str) -> bool:
    """Whether the last boxed text is the gold answer."""
    boxes = BOXED.findall(completion)
    return bool(boxes) and boxes[-1].strip() == gold


def has_format(completion: str) -> bool:
    """Whether the closing think tag stands exactly once on a line of its own, the paper's format reward."""
    return len(CLOSING_LINE.findall(completion)) == 1


def main(folders: list[str]) -> None:
    for folder in [Path(name) for name in folders] or [shipped(mix) for mix in MIXES]:
        found = score(folder)
        print(
            f"{folder.name}: accuracy {found.accuracy:.3f}, format {found.format:.3f}, {found.mean_tokens:.0f} tokens, "
            f"truncated {found.truncated:.3f} ({found.n_problems} test problems, one sample each at temperature 1)"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
