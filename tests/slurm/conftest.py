"""The cluster that these tests share. It proves nothing about GPUs: the L40S of its nodes are character devices."""

import os
from collections.abc import Iterator

import pytest

from tests.conftest import ENVIRONMENT
from tests.slurm.cluster import Cluster, missing


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if lacking := missing():
        told = f"SLURM cannot be started here: it lacks {', '.join(lacking)}"
        if os.environ.get("TINA_CI_SLURM"):
            pytest.fail(told)
        pytest.skip(told)
    made = Cluster(tmp_path_factory.mktemp("slurm"))
    try:
        made.start()
        for one in (os.environ, ENVIRONMENT):
            one.update(made.environment)
        yield made
    finally:
        for name in made.environment:
            os.environ.pop(name, None)
            ENVIRONMENT.pop(name, None)
        made.stop()
