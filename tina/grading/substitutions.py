"""Spellings brought to one: patterns and what takes their place, one after the other."""

import re
from collections.abc import Callable, Sequence

Replacement = str | Callable[[re.Match[str]], str]


class Substitutions:
    """Called with a text, gives it with every pattern replaced, in the order of the pairs."""

    def __init__(self, pairs: Sequence[tuple[str, Replacement]], flags: re.RegexFlag = re.NOFLAG) -> None:
        self._pairs = [(re.compile(pattern, flags), replacement) for pattern, replacement in pairs]

    def __call__(self, text: str) -> str:
        for pattern, replacement in self._pairs:
            text = pattern.sub(replacement, text)
        return text
