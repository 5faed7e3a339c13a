"""W&B's API for tests: a server on loopback that the real client is pointed to."""

from collections.abc import Iterator

import pytest
import wandb

from tests.analysis.wandb_stub import Stub, serving


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    with serving([]) as stub:
        monkeypatch.setenv("WANDB_BASE_URL", stub.url)
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        wandb.teardown()
        yield stub
    wandb.teardown()
