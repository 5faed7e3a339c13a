"""Files from elsewhere: what is not read is told in a sentence, and nothing in them acts."""

import json
import os
import re
from pathlib import Path

import pytest
from rich.table import Table

from tina import foreign, terminal
from tina.foreign import ForeignFileError


def refused(read, *arguments, **more) -> str:
    with pytest.raises(ForeignFileError) as error:
        read(*arguments, **more)
    return str(error.value)


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        assert f"{path} is no regular file" in refused(foreign.read_bytes, path)
    assert "cannot be opened" in refused(foreign.read_bytes, tmp_path / "missing")
    assert "cannot be opened" in refused(foreign.read_bytes, tmp_path / "a\0b")


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 11)
    assert foreign.read_bytes(tmp_path / "a", 11) == b"x" * 11
    assert "has 11 bytes, more than the 10" in refused(foreign.read_bytes, tmp_path / "a", 10)


def test_no_link_leads_out_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "secret").write_text("x")
    (tmp_path / "inside" / "link").symlink_to(tmp_path / "secret")
    for path in (tmp_path / "inside" / "link", tmp_path / "inside" / ".." / "secret"):
        assert "leads out of" in refused(foreign.read_bytes, path, below=tmp_path / "inside")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[" * 200 + "]" * 200, "nested more than 100 deep"),
        ("[" + "1," * foreign.MAX_VALUES + "1]", "holds more than 200,000 values"),
        ('{"a": ' + "9" * 5000 + "}", "is no JSON"),
        ("\xff", "is no JSON"),
    ],
)
def test_json_that_is_none_or_too_much(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "a.json").write_text(text, encoding="latin-1")
    assert words in refused(foreign.read_json, tmp_path / "a.json")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [", "is no YAML"),
        ("a: !!python/object/apply:os.system [id]", "is no YAML"),
        ("a: 2024-01-35", "is no YAML"),
        ("[" * 3000, "is no YAML"),
        ("a0: &a0 [x]\n" + "".join(f"a{i + 1}: &a{i + 1} [*a{i}, *a{i}]\n" for i in range(30)), "holds more than"),
        ("a: &a [*a]", "nested more than 100 deep"),
        ("a: \x1b", "is no YAML"),
    ],
)  # fmt: skip
def test_yaml_that_is_none_or_too_much(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    assert words in refused(foreign.read_yaml, tmp_path / "a.yaml")


def test_nothing_is_filled_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    (tmp_path / "a.yaml").write_text("a: ${oc.env:HF_TOKEN}\n")
    assert foreign.read_yaml(tmp_path / "a.yaml") == {"a": "${oc.env:HF_TOKEN}"}


def test_what_is_sound_is_read(tmp_path: Path) -> None:
    value = {"a": [1, 2.5, None, True, "ü\n"], "b": {"c": []}}
    (tmp_path / "a.json").write_text(json.dumps(value))
    (tmp_path / "a.yaml").write_text(json.dumps(value))
    assert foreign.read_json(tmp_path / "a.json") == foreign.read_yaml(tmp_path / "a.yaml") == value


def test_control_characters_are_shown() -> None:
    foreign_text = "a\x1b]52;c;eA==\x07b\r\x9b2J\u202e\u2028\x7f\ud800 ü\t\n日本"
    told = terminal.visible(foreign_text)
    assert told == "a\\x1b]52;c;eA==\\x07b\\r\\x9b2J\\u202e\\u2028\\x7f\\ud800 ü\t\n日本"
    assert terminal.visible(told) == told


def test_a_screen_sends_no_control_characters_but_its_own(capsys: pytest.CaptureFixture) -> None:
    screen = terminal.Screen(force_terminal=True, width=80, highlight=False, markup=False)
    screen.print("a\x1b]0;title\x07b", style="bold")
    screen.print(Table("head\x1b[2J", "b"), "[/b]\x1b[31m")
    sent = capsys.readouterr().out
    assert "a\\x1b]0;title" in sent and "head\\x1" in sent and "\\x1b[31m" in sent
    assert set(re.findall("\x1b.{3}", sent)) <= {"\x1b[1m", "\x1b[0m"} and "\x07" not in sent
