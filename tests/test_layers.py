"""Who may import whom: leaves stay light, analysis stays apart."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

HEAVY = {"torch", "transformers", "trl", "peft", "accelerate", "datasets", "vllm", "wandb", "pandas"}
LEAVES = [
    "schema",
    "identity",
    "statistics",
    "dynamics",
    "cost",
    "rewards",
    "grading",
    "checks",
    "gate",
    "configs",
    "cli",
]


@pytest.mark.parametrize("name", LEAVES)
def test_importing_it_loads_nothing_heavy(name: str) -> None:
    code = f"import tina.{name}, sys; print(sorted({HEAVY!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names


def test_tina_never_imports_analysis() -> None:
    for path in (ROOT / "tina").rglob("*.py"):
        assert not [name for name in imported(path) if name.split(".")[0] == "analysis"], path


def test_analysis_imports_only_leaves_and_never_torch() -> None:
    allowed = {"statistics", "dynamics", "identity", "schema", "cost", "errors", "foreign", "terminal"}
    presets = {"configs", "gate"}  # to know a preset by its digest it must be composed
    for path in (ROOT / "analysis").rglob("*.py"):
        for name in imported(path):
            parts = name.split(".")
            assert parts[0] not in HEAVY - {"wandb", "pandas"}, f"{path}: {name}"
            assert (
                parts[0] != "tina"
                or len(parts) == 1
                or parts[1] in allowed | (presets if path.name == "single.py" else set())
            ), name


@pytest.mark.parametrize(("package", "who"), [("trl", {"seam.py"}), ("vllm", {"seam.py", "cpu_adapter.py"})])
def test_only_the_seam_knows_trl_and_vllm(package: str, who: set[str]) -> None:
    users = [path for path in (ROOT / "tina").rglob("*.py") if any(n.split(".")[0] == package for n in imported(path))]
    assert {path.name for path in users} == who


def test_vllm_is_not_loaded_by_training_that_does_without() -> None:
    code = "import tina.trainer, sys; print('vllm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.split()[-1:] == ["False"], done.stdout + done.stderr


def _opened_as_text(tree: ast.AST) -> Iterator[ast.Call]:
    """Calls that open a file as text in the encoding of the locale."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        name, place = node.func.attr, ast.unparse(node.func.value)
        modes = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
        opens = name in ("read_text", "write_text") or (name == "open" and not any("b" in str(mode) for mode in modes))
        if opens and place not in ("os", "files", "foreign") and "encoding" not in {word.arg for word in node.keywords}:
            yield node


@pytest.mark.parametrize("package", ["tina", "analysis", "benchmarks", "hydra_plugins"])
def test_text_files_are_utf_8_whatever_the_locale(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        found = [ast.unparse(call) for call in _opened_as_text(ast.parse(path.read_text(encoding="utf-8")))]
        assert not found, f"{path}: {found}"
