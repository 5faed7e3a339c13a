"""Servers that are not ours, requests that are not ours, and answers that no model can have drawn."""

import asyncio
import json
import math
import os
import stat
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import run
from tests.test_trainer import composed
from tina import gate
from tina.errors import UserError
from tina.sampler import guard
from tina.sampler.server import Server, _completion
from tina.sampler.settings import engine_settings

SECRET = b"0123456789abcdef" * 4


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> bytes:
    monkeypatch.setenv(guard.VARIABLE, SECRET.decode())
    return SECRET


async def echo(scope: dict, receive: Callable, send: Callable) -> None:
    """An app behind the guard: it answers with what it was sent."""
    body = (await receive())["body"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": body[:2], "more_body": True})
    await send({"type": "http.response.body", "body": body[2:]})


def asked(*requests: tuple[str, str, bytes, dict[str, str]]) -> list[httpx.Response]:
    """What a guarded app answers to requests, one after the other."""

    async def ask() -> list[httpx.Response]:
        transport = httpx.ASGITransport(guard.Guard(echo))
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as http:
            return [await http.request(m, path, content=body, headers=headers) for m, path, body, headers in requests]

    return asyncio.run(ask())


def signed(path: str = "/v1/x?y=1", body: bytes = b"hello", secret: bytes = SECRET) -> tuple[str, str, bytes, dict]:
    return "POST", path, body, guard.request_headers(secret, "POST", path, body)


def test_what_is_signed_is_answered_with_a_proof(key: bytes) -> None:
    request = signed()
    (answer,) = asked(request)
    nonce = request[3][guard.NONCE]
    assert (answer.status_code, answer.content) == (200, b"hello")
    assert guard.is_proven(key, nonce, 200, answer.headers, b"hello")
    for status, body, other in ((201, b"hello", nonce), (200, b"hullo", nonce), (200, b"hello", "0" * 32)):
        assert not guard.is_proven(key, other, status, answer.headers, body)
    assert not guard.is_proven(b"another", nonce, 200, answer.headers, b"hello")


def test_what_is_not_signed_or_not_as_it_is_sent_is_refused(key: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    method, path, body, headers = signed()
    refused = [
        (method, path, body, {}),
        (method, "/v1/x?y=2", body, headers),
        ("PUT", path, body, headers),
        (method, path, body, headers | {guard.TIME: "0"}),
        (method, path, body, headers | {guard.SIGNATURE: "\u00e9".encode().hex()}),
        signed(secret=b"another"),
        ("GET", "/metrics", b"", {"Authorization": f"Bearer {key.decode()}"}),
        ("GET", "/health/../metrics", b"", {}),
    ]
    assert [answer.status_code for answer in asked(*refused)] == [401] * len(refused)
    assert asked((method, path, b"other", headers))[0].status_code == 400
    assert [answer.status_code for answer in asked((method, path, body, headers), (method, path, body, headers))] == [
        200,
        401,
    ], "what was recorded is not sent again"
    late = signed()
    monkeypatch.setattr("time.time", lambda: float(late[3][guard.TIME]) + guard.SKEW_S + 1)
    assert asked(late)[0].status_code == 401
    assert asked(("GET", "/health", b"", {}))[0].status_code == 200


def test_nonces_are_forgotten_once_they_are_too_old(key: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    guarded = guard.Guard(echo)
    now = 1e9
    monkeypatch.setattr("time.time", lambda: now)
    for _ in range(100):
        now += guard.SKEW_S / 10
        headers = guard.request_headers(key, "GET", "/x", b"")
        scope = {"method": "GET", "raw_path": b"/x", "query_string": b""}
        assert guarded._is_ours(scope, headers)
    assert len(guarded.seen) <= 21


def test_the_key_is_made_once_and_is_the_users_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(guard.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    made = guard.key()
    path = tmp_path / "tina" / "server.key"
    assert len(made) == 64 and guard.key() == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    path.chmod(0o640)
    with pytest.raises(UserError, match="others can read or write it: delete it"):
        guard.key()
    path.chmod(0o600)
    if os.getuid() == 0:
        os.chown(path, 65_534, -1)
        with pytest.raises(UserError, match="others can read or write it"):
            guard.key()
    path.unlink()
    (tmp_path / "else").write_bytes(made)
    path.symlink_to(tmp_path / "else")
    with pytest.raises(UserError, match="set TINA_SERVER_KEY"):
        guard.key()


class FalseServer(ThreadingHTTPServer):
    """Answers on a port of this machine without the key, and writes down all that it hears."""

    def __init__(self, answer: Callable[[BaseHTTPRequestHandler, "FalseServer"], None]) -> None:
        self.heard, self.answer = b"", answer
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """The client hangs up where it has heard enough."""


class _Handler(BaseHTTPRequestHandler):
    server: FalseServer

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        size = int(self.headers.get("content-length") or 0)
        self.server.heard += f"{self.requestline}\n{self.headers}".encode() + self.rfile.read(size)
        self.server.answer(self, self.server)

    do_POST = do_GET


MODELS = json.dumps({"data": [{"id": "tiny", "max_model_len": 4096}]}).encode()


def _plain(handler: BaseHTTPRequestHandler, headers: dict[str, str], body: bytes = MODELS, status: int = 200) -> None:
    handler.send_response(status)
    for name, value in ({"content-length": str(len(body))} | headers).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def _no_proof(handler: BaseHTTPRequestHandler, server: FalseServer) -> None:
    _plain(handler, {})


def _a_proof_of_another_request(handler: BaseHTTPRequestHandler, server: FalseServer) -> None:
    _plain(handler, {guard.PROOF: guard._signed(SECRET, "answer", "0" * 32, "200", guard.digest(MODELS))})


def _its_own_proof(handler: BaseHTTPRequestHandler, server: FalseServer) -> None:
    nonce = handler.headers[guard.NONCE]
    _plain(handler, {guard.PROOF: guard._signed(b"guessed", "answer", nonce, "200", guard.digest(MODELS))})


def _what_it_was_sent(handler: BaseHTTPRequestHandler, server: FalseServer) -> None:
    _plain(handler, {guard.PROOF: handler.headers[guard.SIGNATURE]})


def _without_end(handler: BaseHTTPRequestHandler, server: FalseServer) -> None:
    handler.send_response(200)
    handler.send_header("content-length", str(40 * 2**30))
    handler.end_headers()
    while True:
        handler.wfile.write(b" " * 2**20)


def _packed(handler: BaseHTTPRequestHandler, server: FalseServer) -> None:
    import gzip

    _plain(handler, {"content-encoding": "gzip"}, gzip.compress(b" " * 2**26))


@pytest.fixture
def false_server(request: pytest.FixtureRequest) -> Iterator[FalseServer]:
    server = FalseServer(request.param)
    yield server
    server.shutdown()
    server.server_close()


KINDS = [_no_proof, _a_proof_of_another_request, _its_own_proof, _what_it_was_sent, _without_end, _packed]


@pytest.mark.parametrize("false_server", KINDS, indirect=True, ids=lambda kind: kind.__name__)
def test_a_false_server_is_told_and_hears_no_key(false_server: FalseServer, key: bytes) -> None:
    config = composed("sampler=vllm_server", f"sampler.url={false_server.url}")
    settings = engine_settings(config.model, config.sampler, config.lora, 256, 8, 0, "cpu")
    with pytest.raises(UserError, match=r"does not prove that it has this run's key|has no end"):
        Server(settings)
    assert false_server.heard and key not in false_server.heard


@pytest.mark.parametrize("false_server", [_no_proof], indirect=True, ids=["no proof"])
def test_nothing_is_trained_on_a_false_server(false_server: FalseServer, tmp_path: Path) -> None:
    words = ["sampler=vllm_server", f"sampler.url={false_server.url}", f"paths.outputs={tmp_path}"]
    done = run("train.py", *words, "benchmarks=none", "selection=last")
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert "does not prove that it has this run's key" in " ".join(done.stderr.split())
    assert not list(tmp_path.rglob("checkpoint-*"))


def told(**other: Any) -> dict[str, Any]:
    choice = {"token_ids": [1, 2], "finish_reason": "stop", "logprobs": {"token_logprobs": [-0.5, -1]}} | other
    return {"choices": [choice]}


def test_a_sound_answer_is_a_completion() -> None:
    found = _completion(told(), 2, 3)
    assert (found.token_ids, found.logprobs, found.truncated) == ((1, 2), (-0.5, -1), False)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({}, "without one completion"),
        ({"choices": []}, "without one completion"),
        ({"choices": told()["choices"] * 2}, "without one completion"),
        (told(logprobs=None), "without one completion"),
        (told(token_ids=[1, 2, 1]), "3 tokens with 2 log-probs"),
        (told(token_ids=[1] * 9, logprobs={"token_logprobs": [-1.0] * 9}), "where 2 tokens were asked for"),
        (told(token_ids=[1, 3]), "the token 3, where the model has 0 to 2"),
        (told(token_ids=[1, -1]), "the token -1"),
        (told(token_ids=[1, True]), "the token True"),
        (told(token_ids=[1, "2"]), "the token '2'"),
        (told(logprobs={"token_logprobs": [-1, None]}), "the log-prob None"),
        (told(logprobs={"token_logprobs": [-1, math.nan]}), "the log-prob nan"),
        (told(logprobs={"token_logprobs": [-1, -math.inf]}), "the log-prob -inf"),
        (told(logprobs={"token_logprobs": [-1, 0.5]}), "the log-prob 0.5"),
        (told(finish_reason="because"), "ended by 'because'"),
    ],
)  # fmt: skip
def test_an_answer_that_no_model_can_have_given_is_told(answer: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        _completion(answer, 2, 3)


@pytest.mark.parametrize("url", ["http://me:secret@host:8000", "http://me@host:8000", "http://:secret@host"])
def test_a_password_in_an_address_is_refused_and_not_repeated(url: str) -> None:
    (problem,) = gate.check(["sampler=vllm_server", f"sampler.url={url}"], False).problems
    assert "holds a name or a password" in problem and "secret" not in problem.replace("TINA_SERVER_KEY", "")
