"""One grader for the session: its pool of two workers is started once."""

from collections.abc import Iterator

import pytest

from tina.grading import Grader


@pytest.fixture(scope="session")
def grader() -> Iterator[Grader]:
    grader = Grader(timeout_s=20.0)
    yield grader
    grader.close()
