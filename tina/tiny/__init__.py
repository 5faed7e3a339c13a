"""The embedded model: half a million parameters that know some arithmetic, for runs without GPU or network.

`task` is the arithmetic it is about, `tokenizer` and `build` are the recipe that makes it, `score` says how good it is.
Nothing is imported here, so that asking where the weights lie costs nothing.
"""

from pathlib import Path

from tina.errors import UserError

MIXES = ("d", "c")


def folder(mix: str) -> Path:
    """The folder with the shipped weights and tokenizer of one mix of demonstrations, one of `MIXES`.

    `AutoModelForCausalLM.from_pretrained` and `AutoTokenizer.from_pretrained` load it offline. Raises UserError for
    another name.
    """
    if mix not in MIXES:
        raise UserError(f"There is no embedded model {mix!r}; choose one of {', '.join(MIXES)}.")
    return Path(__file__).parent / "weights" / mix
