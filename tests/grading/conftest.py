"""One grader for the session: its pool of two workers is started once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tina.grading import Grader

SHARED = Path(__file__).resolve().parents[3] / "shared"


@pytest.fixture(scope="session")
def grader() -> Iterator[Grader]:
    grader = Grader(timeout_s=20.0)
    yield grader
    grader.close()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with public test material beside the repository."""
    if not SHARED.is_dir():
        pytest.skip(f"the shared material is not at {SHARED}")
    return SHARED
