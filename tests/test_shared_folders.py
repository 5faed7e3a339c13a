"""Folders that other users can write: locks, appended files and pickles cannot be turned against their owner."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, SHORT, run
from tina import files, jsonl
from tina.errors import UserError
from tina.guards import exclusive, is_held
from tina.launch import slurm
from tina.launch.settings import SlurmSettings

ANOTHER = 65_534
"""The uid of nobody."""
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can play a second user")


def by_another(act: Callable[[], object]) -> str:
    """What a second user does; the name of the error that he meets, or nothing."""
    read, write = os.pipe()
    if (pid := os.fork()) == 0:
        try:
            os.setgroups([])
            os.setgid(ANOTHER)
            os.setuid(ANOTHER)
            act()
        except OSError as error:
            os.write(write, type(error).__name__.encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(pid, 0)
    with os.fdopen(read) as told:
        return told.read()


def open_the_way(folder: Path) -> None:
    """Lets a second user come as far as a test's folder."""
    for parent in (folder, *folder.parents):
        if parent.as_posix().startswith("/tmp/"):
            parent.chmod(0o755)


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    path = tmp_path / "precious"
    path.write_text("a thesis")
    return path


def test_a_lock_that_is_a_link_is_refused_and_nothing_is_emptied(tmp_path: Path, precious: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / ".lock").symlink_to(precious)
    with pytest.raises(UserError, match="is a symbolic link"), exclusive(folder):
        pass
    assert not is_held(folder)
    assert precious.read_text() == "a thesis"


def test_a_run_whose_lock_is_a_link_ends_in_a_sentence(sweep: Path, tmp_path: Path, precious: Path) -> None:
    (arm,) = (path for path in (sweep / "runs").iterdir() if "-r4-" in path.name)
    folder = tmp_path / "out" / "runs" / arm.name
    folder.mkdir(parents=True)
    (folder / ".lock").symlink_to(precious)
    done = run("train.py", "lora.rank=4", f"paths.outputs={tmp_path / 'out'}", *SHORT)
    assert done.returncode == 2 and "is a symbolic link" in done.stderr and "Traceback" not in done.stderr
    assert precious.read_text() == "a thesis"


def test_a_lock_keeps_what_is_in_it(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("kept")
    with exclusive(tmp_path):
        assert is_held(tmp_path)
    assert (tmp_path / ".lock").read_text() == "kept" and not is_held(tmp_path)


def test_nothing_is_written_through_a_link(tmp_path: Path, precious: Path) -> None:
    (tmp_path / "jobs.jsonl").symlink_to(precious)
    with pytest.raises(UserError, match="is a symbolic link"):
        jsonl.append(tmp_path / "jobs.jsonl", {"a": 1})
    (tmp_path / f"progress.json.{os.getpid()}.tmp").symlink_to(precious)
    files.write_json(tmp_path / "progress.json", {"done": 1})
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="is no regular file"):
        jsonl.append(tmp_path / "pipe", {"a": 1})
    assert precious.read_text() == "a thesis" and "done" in (tmp_path / "progress.json").read_text()


def test_a_private_folder_is_the_users_alone(tmp_path: Path) -> None:
    before = os.umask(0o002)
    try:
        made = files.private_folder(tmp_path / "outputs" / "slurm")
    finally:
        os.umask(before)
    assert stat.S_IMODE(made.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o2775], ids=["everybody", "a group"])
def test_no_folder_is_private_that_others_could_put_another_in_place_of(tmp_path: Path, mode: int) -> None:
    shared = tmp_path / "project"
    shared.mkdir()
    if mode == 0o2775 and os.getuid() == 0:
        os.chown(shared, 0, 1)  # a group with other members, as far as can be told
    elif mode == 0o2775:
        pytest.skip("only root can give a folder to another group")
    shared.chmod(mode)
    with pytest.raises(UserError, match=f"Others may write in {shared}"):
        files.private_folder(shared / "slurm")
    shared.chmod(mode | stat.S_ISVTX)  # as /tmp has it: nobody can move another's folder away
    assert files.private_folder(shared / "slurm").is_dir()
    assert files.written_by_others(shared), "whoever starts Python there imports what others put there"


@as_root
def test_a_second_user_cannot_replace_what_a_job_will_run(tmp_path: Path) -> None:
    open_the_way(tmp_path)
    slurm_folder = files.private_folder(tmp_path / "slurm")
    pickle = slurm_folder / "7_submitted.pkl"
    pickle.write_bytes(b"ours")
    assert by_another(lambda: (tmp_path / "slurm").stat()) == "", "he sees the folder"
    assert by_another(lambda: pickle.write_bytes(b"theirs")) == "PermissionError"
    assert by_another(lambda: slurm_folder.rename(tmp_path / "away")) == "PermissionError"
    assert pickle.read_bytes() == b"ours"


@as_root
@pytest.mark.parametrize("made", ["slurm", "link"])
def test_a_folder_that_a_second_user_made_before_is_refused(tmp_path: Path, made: str) -> None:
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    open_the_way(outputs)
    outputs.chmod(0o1777)
    folder = outputs / "slurm"
    assert by_another(folder.mkdir if made == "slurm" else lambda: folder.symlink_to("/")) == ""
    with pytest.raises(UserError, match="belongs to nobody" if made == "slurm" else "is a symbolic link"):
        files.private_folder(folder)


def test_nothing_is_queued_from_a_folder_that_others_may_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "project"
    place.mkdir()
    place.chmod(0o777)
    monkeypatch.chdir(place)
    with pytest.raises(UserError, match=f"Others may write in {place}"):
        slurm.run([], SlurmSettings(submitit_folder=str(tmp_path / "slurm" / "%j")))
    monkeypatch.chdir(ROOT)
    place.chmod(0o755)
    assert slurm.run([], SlurmSettings(submitit_folder=str(tmp_path / "slurm" / "%j"), wait=False)) == 0
