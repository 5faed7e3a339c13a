"""Who may ask a vLLM server, and which server may be believed: both ends prove that they have one key.

Requests are signed, answers are proven, and the key itself never travels: HMAC-SHA256 over what is asked (method, path,
digest of the body, time and a nonce) and over what is answered (that nonce, status, digest of the body). A request that
is recorded and sent again is refused. Nothing is encrypted: who can listen to the network reads prompts and
completions, and can change neither.

vLLM itself asks for its API key on some paths only, and /load_lora_adapter, /metrics or /invocations are not all of
them: so `tina.sampler.serve` puts `Guard` in front of every path.
"""

import hashlib
import hmac
import os
import secrets
import stat
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from tina import files
from tina.errors import UserError

VARIABLE = "TINA_SERVER_KEY"
"""The environment variable with the key; unless set, one is made and kept in the user's own folder."""
OPEN = ("/health",)
"""Paths that answer anybody."""
SKEW_S = 300.0
"""How far apart the clocks of two nodes may be."""
LARGEST_REQUEST = 64 * 2**20

TIME, NONCE, DIGEST, SIGNATURE, PROOF = (f"x-tina-{name}" for name in ("time", "nonce", "digest", "signature", "proof"))

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def key() -> bytes:
    """The key of this user's servers, the same in all their processes.

    Raises UserError if the file that holds it could be another's, or no place can be found for it.
    """
    if said := os.environ.get(VARIABLE):
        return said.encode()
    state = Path(os.environ.get("XDG_STATE_HOME") or "~/.local/state").expanduser()
    try:
        path = files.private_folder(state / "tina") / "server.key"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            return _kept(path)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
        return _kept(path)
    except OSError as error:
        raise UserError(
            f"No key for a server can be kept in {state / 'tina'} ({error.strerror}): set {VARIABLE} to a secret, the "
            "same for the server and the run."
        ) from error


def _kept(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        told = os.fstat(file.fileno())
        if not stat.S_ISREG(told.st_mode) or told.st_uid != os.getuid() or told.st_mode & 0o077:
            raise UserError(f"{path} holds the key of your servers, and others can read or write it: delete it.")
        said = file.read(4096)
    if len(said) < 32:
        raise UserError(f"{path} is no key of a server: delete it, and start the server again.")
    return said


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _signed(secret: bytes, *parts: str) -> str:
    return hmac.new(secret, "\n".join(parts).encode(), hashlib.sha256).hexdigest()


def request_headers(secret: bytes, method: str, path: str, body: bytes) -> dict[str, str]:
    """What a request has to carry; `path` with its query."""
    asked = {TIME: f"{time.time():.3f}", NONCE: secrets.token_hex(16), DIGEST: digest(body)}
    return asked | {SIGNATURE: _signed(secret, "request", method, path, *asked.values())}


def is_proven(secret: bytes, nonce: str, status: int, headers: Mapping[str, str], body: bytes) -> bool:
    """Was this answered, to the request with this nonce, by a server that has the key?"""
    expected = _signed(secret, "answer", nonce, str(status), digest(body))
    return hmac.compare_digest(expected, headers.get(PROOF, ""))


class Guard:
    """ASGI middleware: answers 401 to every request without a valid signature, but for `OPEN`, and proves its answers.

    An answer is held back until it is whole.
    """

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self.app, self.key = app, key()
        self.seen: dict[str, float] = {}
        """When each nonce of a valid request is forgotten; by then its time is too old."""

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await self.app(scope, receive, send)
        if scope["type"] != "http":  # a websocket, which nothing of ours opens
            return await send({"type": "websocket.close", "code": 1008})
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if scope["path"] in OPEN and SIGNATURE not in headers:
            return await self.app(scope, receive, send)
        if not self._is_ours(scope, headers):
            return await _refuse(send, 401, b'{"error": {"message": "The request is not signed with the key."}}')
        body = await _whole_body(receive)
        if body is None or digest(body) != headers[DIGEST]:
            return await _refuse(send, 400, b'{"error": {"message": "The body is not the one that was signed."}}')
        return await self.app(scope, _replayed(body, receive), self._proving(headers[NONCE], send))

    def _is_ours(self, scope: Mapping[str, Any], headers: Mapping[str, str]) -> bool:
        """Is it signed with the key, of now, and for the first time?"""
        query = scope["query_string"].decode("latin-1")
        path = scope["raw_path"].decode("latin-1").partition("?")[0] + (f"?{query}" if query else "")
        asked = [headers.get(name, "") for name in (TIME, NONCE, DIGEST)]
        expected = _signed(self.key, "request", scope["method"], path, *asked)
        if not hmac.compare_digest(expected.encode(), headers.get(SIGNATURE, "").encode()):
            return False
        now = time.time()
        while self.seen and next(iter(self.seen.values())) < now:  # the first is the oldest
            self.seen.pop(next(iter(self.seen)))
        if abs(now - float(headers[TIME])) > SKEW_S or headers[NONCE] in self.seen:
            return False
        self.seen[headers[NONCE]] = now + 2 * SKEW_S
        return True

    def _proving(self, nonce: str, send: Send) -> Send:
        """Sends an answer once it is whole, with the proof that it is this server's answer to that request."""
        start: MutableMapping[str, Any] = {}
        chunks: list[bytes] = []

        async def held_back(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
                return
            if message["type"] != "http.response.body":
                return
            chunks.append(message.get("body", b""))
            if message.get("more_body"):
                return
            body = b"".join(chunks)
            proof = _signed(self.key, "answer", nonce, str(start["status"]), digest(body))
            kept = [(name, value) for name, value in start.get("headers", []) if name.lower() != b"content-length"]
            kept += [(b"content-length", str(len(body)).encode()), (PROOF.encode(), proof.encode())]
            await send({**start, "headers": kept})
            await send({"type": "http.response.body", "body": body})

        return held_back


async def _whole_body(receive: Receive) -> bytes | None:
    """None of one that is too large, or whose sender went away."""
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > LARGEST_REQUEST:
            return None
        if not message.get("more_body"):
            return b"".join(chunks)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """What the app receives: the body that was read already, and then whatever comes, such as the sender's leaving."""
    waiting = [body]

    async def again() -> MutableMapping[str, Any]:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return again


async def _refuse(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
