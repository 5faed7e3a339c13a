"""Brackets in canonical notation: which one closes which, and what stands at their depth 0."""

import re
from collections.abc import Callable

_BEGIN = re.compile(r"\\(begin|end)\b")


def matching(text: str, opening: int) -> int | None:
    """The index of the bracket that closes the one at `opening`; ( [ { and their closers count alike."""
    depth = 0
    for index in range(opening, len(text)):
        depth += (text[index] in "([{") - (text[index] in ")]}")
        if depth == 0:
            return index
    return None


def split(text: str, separator: re.Pattern[str]) -> list[tuple[str, str]]:
    """(part, separator before it) at depth 0 of the brackets; one pair if the separator does not occur there."""
    if not separator.search(text):
        return [(text.strip(), "")]
    parts, depth, start, before, index = [], 0, 0, "", 0
    while index < len(text):
        if environment := _BEGIN.match(text, index):
            depth += 1 if environment[1] == "begin" else -1
            index = environment.end()
            continue
        if depth == 0 and (found := separator.match(text, index)):
            parts.append((text[start:index].strip(), before))
            before, start = found.group(), found.end()
            index = found.end()
            continue
        depth += (text[index] in "([{") - (text[index] in ")]}")
        index += 1
    return [*parts, (text[start:].strip(), before)]


def replace_calls(text: str, names: re.Pattern[str], spell: Callable[[str, list[str]], str | None]) -> str:
    """Spells name(a, b) anew: `names` matches up to the opening bracket, and its first group is the name.

    Innermost calls come first; a call that `spell` has no spelling for (None) stays as it is.
    """
    for found in reversed(list(names.finditer(text))):
        closing = matching(text, found.end() - 1)
        if closing is None:
            continue
        arguments = [part for part, _ in split(text[found.end() : closing], _COMMA)]
        spelled = spell(found[1], arguments)
        if spelled is not None:
            text = text[: found.start()] + spelled + text[closing + 1 :]
    return text


_COMMA = re.compile(",")
