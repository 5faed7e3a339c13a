"""Composing and checking a grid of 100 arms at the gate, against Hydra composing them: python benchmarks/plan.py"""

import time

from hydra import compose, initialize_config_dir

from tina import configs, gate

SEEDS = ",".join(str(seed) for seed in range(20))
ARGUMENTS = ["+sweeps=lora_rank", f"seed={SEEDS}"]


def main() -> None:
    configs.register()
    start = time.perf_counter()
    grid = gate.check(ARGUMENTS, multirun=True)
    ours = time.perf_counter() - start
    assert not grid.problems and len(grid.arms) == 100
    start = time.perf_counter()
    with initialize_config_dir(str(configs.CONF), version_base="1.3"):
        for arm in grid.arms:
            compose("train", ["+sweeps=lora_rank", *(f"{key}={value}" for key, value in arm.swept.items())])
    bare = time.perf_counter() - start
    print(f"gate: {ours:.2f} s for 100 arms, {ours / 100 * 1000:.0f} ms an arm (composed, checked, identified)")
    print(f"bare compose: {bare:.2f} s, {bare / 100 * 1000:.0f} ms an arm")
    print(f"ratio {ours / bare:.2f}")


if __name__ == "__main__":
    main()
