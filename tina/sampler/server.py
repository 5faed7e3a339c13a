"""A vLLM server as the engine: adapters go to it as the path of a folder, prompts and completions over HTTP.

It is vLLM's own OpenAI-compatible server, as `python -m tina.sampler.serve` starts it. One that does not answer is
waited for, and given the adapter again when it is back: each completion has a seed of its own, so what is asked for
again is what was lost.
"""

import asyncio
import contextlib
import json
import math
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from torch import Tensor

from tina import foreign
from tina.errors import TryLater, UserError
from tina.identity import text_digest
from tina.policy import read_config
from tina.progress import console
from tina.sampler import guard
from tina.sampler.completion import Completion, Sampling
from tina.sampler.installed import version_problem
from tina.sampler.settings import EngineSettings

ANSWER_S = 60.0
"""What the server is given for anything but a completion; an adapter of rank 512 is loaded within it."""
LOOK_EVERY_S = 2.0
"""How often a server that was lost is asked whether it is back."""
WATCH_EVERY_S = 10.0
"""How often a server that owes completions is asked whether it is alive: a node may be gone without a word."""
SMALL = 16 * 2**20
"""What an answer may have in bytes, but for a completion's."""
BYTES_A_TOKEN = 1024
"""What a completion's answer may have for each token: its id, its text, its log-prob, and JSON's words around them."""
ENDLESS = "what answers there has no end, so it is not python -m tina.sampler.serve"
ENDS = ("stop", "length")
ROUNDING = 1e-3
"""How far above 0 a log-prob may come out."""


class Lost(Exception):
    """The server does not answer, or no longer knows the adapter; it may be back later."""


class Unproven(Lost):
    """What answers does not have the key: the server's port may be another's by now."""


@dataclass(frozen=True)
class Answer:
    """What a server that has the key answered."""

    status: int
    body: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        """Raises UserError if it is no JSON."""
        return foreign.parsed(self.body, "the answer of a vLLM server")

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")


class Server:
    """A client with the methods of `seam.Engine`."""

    def __init__(self, settings: EngineSettings, leads: bool = True, start: str | None = None) -> None:
        """Reaches the server and holds it against the settings. Raises UserError if it serves something else or does
        not have the key, TryLater if there is none within `sampler.wait_s`.

        `leads`: sends the adapters; of several processes one does. `start`: what this start of the run calls its
        adapters, the same in all its processes. A name is never used twice, so no stale adapter can answer to it.
        """
        self.settings, self.sampler, self.leads = settings, settings.sampler, leads
        self.start = start or new_start()
        self.folder = settings.adapter_folder
        self.stopped: Callable[[], bool] = lambda: False
        """Is the run asked to end? Then nothing is waited for."""
        self.waited_s = 0.0
        """Seconds in which the server was waited for, in all."""
        self.policy: str | None = None
        """What the adapter that is served is called; None: the base is."""
        self.adapters: dict[str, Path] = {}
        """All that the server was sent and may still be asked for."""
        self.syncs = 0
        self.key = guard.key()
        self.known = False
        """Has a server that has the key ever answered?"""
        self._connection = {
            "base_url": self.sampler.url,
            "headers": {"Accept-Encoding": "identity"},  # a few bytes can be packed that are gigabytes
            "trust_env": False,  # a proxy of the site knows nothing of its nodes
        }
        self.http = httpx.Client(**self._connection, timeout=ANSWER_S)
        self._persist(self._check)
        self.vocabulary = read_config(settings.model).get_text_config().vocab_size

    def generate(
        self,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        seeds: Sequence[int],
        checkpoints: Sequence[Path | None] | None = None,
        **more: Any,
    ) -> list[Completion]:
        """As `PolicyEngine` has it; `more` by vLLM's names."""
        body = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
            "min_p": sampling.min_p,
            "max_tokens": sampling.max_new_tokens,
            "logprobs": 0,
            "return_token_ids": True,
        } | more
        if checkpoints is None:
            models = [self.policy or self.settings.model.name] * len(prompts)
        else:
            models = [self._name_of(folder) for folder in checkpoints]
        asked = [
            body | {"model": model, "prompt": list(ids), "seed": seed}
            for model, ids, seed in zip(models, prompts, seeds, strict=True)
        ]
        found: dict[int, Completion] = {}
        deadline = None
        while len(found) < len(asked):
            before = len(found)
            try:
                asyncio.run(self._complete(asked, found))
            except Lost as lost:
                deadline = self._deadline(deadline if len(found) == before else None)
                self._await_return(lost, deadline)
        return [found[place] for place in range(len(asked))]

    def serve_adapter(self, folder: Path | None) -> None:
        """From now on samples with the adapter in `folder` (None: the base); the server must see that folder."""
        before, self.syncs = self.policy, self.syncs + 1
        self.policy = None if folder is None else f"{self.start}-{self.syncs}"
        self.adapters.pop(before, None)
        if self.policy is not None:
            self.adapters[self.policy] = folder.resolve()
        if self.leads:
            self._persist(self._send_adapters)
            if before:
                with contextlib.suppress(Lost):  # then the adapter before is gone as well
                    self._post("/v1/unload_lora_adapter", {"lora_name": before})

    def serve_weights(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        raise UserError("A server is sent adapters alone: take sampler=vllm_merged for weights.")

    def _name_of(self, checkpoint: Path | None) -> str:
        """What the server calls an adapter whose files do not change; it is sent first if it was not yet."""
        if checkpoint is None:
            return self.settings.model.name
        name = f"{self.start}-{text_digest(str(checkpoint.resolve()))}"
        if name not in self.adapters:
            self.adapters[name] = checkpoint.resolve()
            self._persist(lambda: self._send_adapter(name))
        return name

    def _persist(self, call: Callable[[], None]) -> None:
        """Until it has worked. Raises TryLater if the server stays away."""
        deadline = None
        while True:
            try:
                return call()
            except Lost as lost:
                deadline = self._deadline(deadline)
                self._await_return(lost, deadline)

    def _deadline(self, known: float | None) -> float:
        return known or time.monotonic() + self.sampler.wait_s

    def _check(self) -> None:
        """Raises UserError if the server is not what the settings ask for."""
        found = self._get("/v1/models").json()["data"]
        served = next((one for one in found if one["id"] == self.settings.model.name), None)
        names = ", ".join(one["id"] for one in found if not one.get("parent")) or "nothing"
        how = f"start it with the run's own words: python -m tina.sampler.serve model={self.settings.model.name} ..."
        if served is None:
            raise UserError(
                f"The server at {self.sampler.url} serves {names}, not model={self.settings.model.name}: {how}"
            )
        if served["max_model_len"] < self.settings.context_tokens:
            raise UserError(
                f"The server at {self.sampler.url} has a context of {served['max_model_len']} tokens, and "
                f"{self.settings.context_tokens} are needed: {how}"
            )
        if problem := version_problem(self._get("/version").json()["version"], f"the server at {self.sampler.url}"):
            raise UserError(problem)

    def _send_adapters(self) -> None:
        for name in self.adapters:
            self._send_adapter(name)

    def _send_adapter(self, name: str) -> None:
        """Raises Lost, and UserError if the server refuses it."""
        folder = self.adapters[name]
        answer = self._post(
            "/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(folder), "load_inplace": True}
        )
        if answer.is_success:
            return
        self._get("/health")  # an engine that died answers with an error, too: then it is lost, not refusing
        if answer.status == httpx.codes.NOT_FOUND and "lora" not in answer.text.lower():
            reason = "it takes no adapters while it runs; start it with python -m tina.sampler.serve"
        else:
            reason = _reason(answer)
        raise UserError(f"The server at {self.sampler.url} does not take the adapter in {folder}: {reason}")

    def _get(self, path: str) -> Answer:
        """Raises Lost unless it is answered well, UserError if the server has another key."""
        answer = self._ask("GET", path)
        if not answer.is_success:
            raise Lost(f"{path} is answered with {answer.status}")
        return answer

    def _post(self, path: str, body: Mapping[str, Any]) -> Answer:
        return self._ask("POST", path, body)

    def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Answer:
        request = self._signed(self.http, method, path, body)
        deadline = time.monotonic() + 2 * ANSWER_S
        try:
            with contextlib.closing(self.http.send(request, stream=True)) as answer:
                data = bytearray()
                for chunk in answer.iter_raw():
                    data += chunk
                    if len(data) > SMALL or time.monotonic() > deadline:
                        raise Unproven(ENDLESS)
        except httpx.TransportError as error:
            raise Lost(_told(error)) from error
        return self._believed(request, answer, bytes(data))

    def _signed(
        self, http: httpx.Client | httpx.AsyncClient, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> httpx.Request:
        content = b"" if body is None else json.dumps(body).encode()
        request = http.build_request(method, path, content=content)
        request.headers["Content-Type"] = "application/json"
        request.headers.update(guard.request_headers(self.key, method, request.url.raw_path.decode(), content))
        return request

    def _believed(self, request: httpx.Request, answer: httpx.Response, body: bytes) -> Answer:
        """What was answered by a server that has the key. Raises Unproven, and UserError if it has another one."""
        status, nonce = answer.status_code, request.headers[guard.NONCE]
        if guard.is_proven(self.key, nonce, status, answer.headers, body):
            self.known = True
            return Answer(status, body)
        if status == httpx.codes.UNAUTHORIZED and not self.known:
            raise UserError(
                f"The server at {self.sampler.url} has another key than this run: set {guard.VARIABLE} to the same for "
                "both, or start both as one user."
            )
        raise Unproven(
            "what answers there does not prove that it has this run's key: it is another user's, or was not started by "
            "python -m tina.sampler.serve"
        )

    async def _complete(self, asked: Sequence[dict[str, Any]], found: dict[int, Completion]) -> None:
        """Fills `found`, by place, with what is still missing of `asked`. Raises Lost; what was found stays."""
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        timeout = httpx.Timeout(ANSWER_S, read=None, pool=None)  # a long completion says nothing until it is whole
        async with httpx.AsyncClient(**self._connection, limits=limits, timeout=timeout) as http:

            async def ask(request: httpx.Request, limit: int) -> Answer:
                try:
                    async with contextlib.aclosing(await http.send(request, stream=True)) as answer:
                        data = bytearray()
                        async for chunk in answer.aiter_raw():
                            data += chunk
                            if len(data) > limit:
                                raise Unproven(ENDLESS)
                except httpx.TransportError as error:
                    raise Lost(_told(error)) from error
                return self._believed(request, answer, bytes(data))

            async def complete(place: int) -> None:
                tokens = asked[place]["max_tokens"]
                request = self._signed(http, "POST", "/v1/completions", asked[place])
                answer = await ask(request, SMALL + BYTES_A_TOKEN * tokens)
                if answer.status == httpx.codes.NOT_FOUND:
                    raise Lost("it was started anew and does not know the adapter")
                if answer.status >= httpx.codes.INTERNAL_SERVER_ERROR:
                    raise Lost(_reason(answer))
                if not answer.is_success:
                    raise UserError(f"The server at {self.sampler.url} refuses a prompt: {_reason(answer)}")
                try:
                    found[place] = _completion(answer.json(), tokens, self.vocabulary)
                except ValueError as error:
                    raise UserError(f"The server at {self.sampler.url} answers what cannot be: {error}.") from error

            async def watch() -> None:
                while True:
                    await asyncio.sleep(WATCH_EVERY_S)
                    request = self._signed(http, "GET", "/health")
                    request.extensions["timeout"] = httpx.Timeout(ANSWER_S).as_dict()
                    if not (await ask(request, SMALL)).is_success:
                        raise Lost("its engine has died")

            watching = asyncio.ensure_future(watch())
            work = [asyncio.ensure_future(complete(place)) for place in range(len(asked)) if place not in found]
            try:
                await _first_error(work, watching)
            finally:
                for task in [watching, *work]:
                    task.cancel()
                await asyncio.gather(watching, *work, return_exceptions=True)

    def _await_return(self, lost: Lost, deadline: float) -> None:
        """Returns once the server is back and has the adapter.

        Raises TryLater at the deadline (time.monotonic), or once the run is asked to end.
        """
        if isinstance(lost, Unproven) and not self.known:
            raise UserError(f"sampler.url={self.sampler.url}: {lost}.")
        began = time.monotonic()
        left = max(0.0, deadline - began)
        console.print(
            f"The server at {self.sampler.url} does not answer ({lost}): waiting for it, {left:.0f} s at most."
        )
        try:
            while not self.stopped() and time.monotonic() < deadline:
                time.sleep(LOOK_EVERY_S)
                try:
                    self._get("/health")
                    self._check()
                    self._send_adapters()
                except Lost as still:
                    lost = still
                    continue
                console.print(f"The server at {self.sampler.url} is back.")
                return
        finally:
            self.waited_s += time.monotonic() - began
        raise TryLater(
            f"The server at {self.sampler.url} does not answer ({lost}): start it with the run's own words after "
            "python -m tina.sampler.serve, or set sampler.url."
        )


async def _first_error(work: Sequence[asyncio.Future], watching: asyncio.Future) -> None:
    """Waits for all of `work`. Raises the first error, also that of `watching`."""
    waiting = {*work, watching}
    while waiting - {watching}:
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()


def new_start() -> str:
    """What one start of a run calls its adapters: nobody can guess it, to ask for them or to put others in their place.

    They are known to the server alone, and to who has its key.
    """
    return secrets.token_hex(16)


def _completion(told: Any, max_tokens: int, vocabulary: int) -> Completion:
    """Raises ValueError for what no model with so many tokens can have drawn."""
    match told:
        case {"choices": [{"token_ids": [*ids], "finish_reason": end, "logprobs": {"token_logprobs": [*logprobs]}}]}:
            pass
        case _:
            raise ValueError("an answer without one completion, its token ids and its log-probs")
    if len(ids) > max_tokens or len(ids) != len(logprobs):
        raise ValueError(f"{len(ids)} tokens with {len(logprobs)} log-probs, where {max_tokens} tokens were asked for")
    if wrong := [one for one in ids if type(one) is not int or not 0 <= one < vocabulary]:
        raise ValueError(f"the token {wrong[0]!r}, where the model has 0 to {vocabulary - 1}")
    if wrong := [p for p in logprobs if type(p) not in (int, float) or not -math.inf < p <= ROUNDING]:
        raise ValueError(f"the log-prob {wrong[0]}; the policy may have diverged")
    if end not in ENDS:
        raise ValueError(f"a completion that ended by {end!r}, where {' or '.join(ENDS)} is known")
    return Completion("", len(ids), end == "length", tuple(ids), tuple(logprobs))


def _told(error: httpx.HTTPError) -> str:
    return str(error) or type(error).__name__


def _reason(answer: Answer) -> str:
    """What the server says of a request that it did not answer well, on one line."""
    try:
        said = answer.json()
        text = str(said.get("error", said).get("message", answer.text))
    except (UserError, AttributeError):
        text = answer.text
    return " ".join(text.split())[:300] or f"status {answer.status}"
