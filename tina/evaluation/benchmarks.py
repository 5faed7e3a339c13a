"""The problem sets that checkpoints are measured on, by name. Light: the gate asks for names and local files here."""

import difflib
import importlib
from collections.abc import Iterable
from pathlib import Path

from tina.data.problem import Problem
from tina.data.rows import hub_rows, local_rows
from tina.errors import UserError
from tina.evaluation.benchmark import Benchmark
from tina.schema import Benchmarks


def benchmark_names() -> list[str]:
    """Every benchmark there is, by the names of the files in `sets/`."""
    return sorted(path.stem for path in (Path(__file__).parent / "sets").glob("*.py") if path.stem != "__init__")


def get_benchmark(name: str) -> Benchmark:
    """The benchmark of that name. Raises UserError with the nearest names if there is none."""
    names = benchmark_names()
    if name not in names:
        near = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(near)}?" if near else f"choose from {', '.join(names)}."
        raise UserError(f"There is no benchmark {name}: {hint}")
    return importlib.import_module(f"tina.evaluation.sets.{name}").BENCHMARK


def load_benchmarks(config: Benchmarks) -> dict[str, list[Problem]]:
    """The problems of each configured set that is not skipped, by its name, `config.problems` of each at most.

    Raises UserError for an unknown set, one that cannot be had, has another size, or lacks a column.
    """
    for name in [*config.sets, *config.skip, *config.paths]:
        get_benchmark(name)
    wanted = [name for name in config.sets if name not in config.skip]
    return {name: load_benchmark(name, config.paths.get(name))[: config.problems] for name in wanted}


def check_benchmarks(config: Benchmarks) -> None:
    """Raises UserError for what is wrong and can be seen without the network: names, and local copies."""
    local = [name for name in config.sets if name in config.paths]
    load_benchmarks(Benchmarks(config.name, local, config.paths, [*config.skip]))
    for name in config.sets:
        get_benchmark(name)


def load_benchmark(name: str, path: str | None = None) -> list[Problem]:
    """All problems of a set, from a local copy if a path is given. Raises UserError as `load_benchmarks` does."""
    benchmark = get_benchmark(name)
    source = path or benchmark.hub_id
    problems = list(_problems(name, benchmark, path))
    if len(problems) != benchmark.size:
        raise UserError(
            f"The benchmark {name} has {benchmark.size} problems, but {source} holds {len(problems)}: "
            f"give the whole set with benchmarks.paths.{name}=<file or folder>, and benchmarks.problems for a part."
        )
    return problems


def _problems(name: str, benchmark: Benchmark, path: str | None) -> Iterable[Problem]:
    if path is None and benchmark.generate:
        return benchmark.generate()
    try:
        columns = benchmark.top_level_columns
        rows = (
            local_rows(path, columns)
            if path
            else hub_rows(benchmark.hub_id, benchmark.subset, benchmark.split, None, columns)[0]
        )
        return [benchmark.problem(row, where) for where, row in rows]
    except UserError as error:
        # The readers speak of the training set's keys: here the key is another, and columns cannot be renamed.
        text = str(error).replace("dataset.path", f"benchmarks.paths.{name}").partition(" Set dataset.columns.")[0]
        raise UserError(f"The benchmark {name} cannot be read. {text}") from error
