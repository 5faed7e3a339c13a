"""How long a run held its machine without training: on GPUs, what was paid for and not used."""

import time


class Held:
    """How long this process has held its machine, and how much of that it did not train or evaluate.

    Loading, starting, saving and grading after the last step are idle for whoever pays for the GPUs. An earlier process
    of the same run is not in it.
    """

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.used = 0.0

    def use(self, seconds: float) -> None:
        self.used += seconds

    def facts(self) -> dict[str, float]:
        held = time.monotonic() - self.began
        return {"run/held_seconds": held, "run/idle_seconds": max(0.0, held - self.used)}
