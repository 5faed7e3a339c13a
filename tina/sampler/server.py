"""A vLLM server as the engine: adapters go to it as the path of a folder, prompts and completions over HTTP.

It is vLLM's own OpenAI-compatible server, as `python -m tina.sampler.serve` starts it. One that does not answer is
waited for, and given the adapter again when it is back: each completion has a seed of its own, so what is asked for
again is what was lost.
"""

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import httpx
from torch import Tensor

from tina.errors import TryLater, UserError
from tina.identity import text_digest
from tina.progress import console
from tina.sampler.completion import Completion, Sampling
from tina.sampler.installed import version_problem
from tina.sampler.settings import EngineSettings

ANSWER_S = 60.0
"""What the server is given for anything but a completion; an adapter of rank 512 is loaded within it."""
LOOK_EVERY_S = 2.0
"""How often a server that was lost is asked whether it is back."""
WATCH_EVERY_S = 10.0
"""How often a server that owes completions is asked whether it is alive: a node may be gone without a word."""
KEY = "VLLM_API_KEY"
"""The environment variable that both sides read the server's key from, if it asks for one."""


class Lost(Exception):
    """The server does not answer, or no longer knows the adapter; it may be back later."""


class Server:
    """A client with the methods of `seam.Engine`."""

    def __init__(self, settings: EngineSettings, leads: bool = True, start: str | None = None) -> None:
        """Reaches the server and holds it against the settings. Raises UserError if it serves something else,
        TryLater if there is none within `sampler.wait_s`.

        `leads`: sends the adapters; of several processes one does. `start`: what this start of the run calls its
        adapters, the same in all its processes. A name is never used twice, so no stale adapter can answer to it.
        """
        self.settings, self.sampler, self.leads = settings, settings.sampler, leads
        self.start = start or secrets.token_hex(4)
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
        key = os.environ.get(KEY)
        self._connection = {
            "base_url": self.sampler.url,
            "headers": {"Authorization": f"Bearer {key}"} if key else {},
            "trust_env": False,  # a proxy of the site knows nothing of its nodes
        }
        self.http = httpx.Client(**self._connection, timeout=ANSWER_S)
        self._persist(self._check)

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
        if answer.status_code == httpx.codes.NOT_FOUND and "lora" not in answer.text.lower():
            reason = "it takes no adapters while it runs; start it with python -m tina.sampler.serve"
        else:
            reason = _reason(answer)
        raise UserError(f"The server at {self.sampler.url} does not take the adapter in {folder}: {reason}")

    def _get(self, path: str) -> httpx.Response:
        """Raises Lost unless it is answered well, UserError if the server asks for a key."""
        try:
            answer = self.http.get(path)
        except httpx.TransportError as error:
            raise Lost(_told(error)) from error
        self._refuse_strangers(answer)
        if not answer.is_success:
            raise Lost(f"{path} is answered with {answer.status_code}")
        return answer

    def _post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        try:
            answer = self.http.post(path, json=body)
        except httpx.TransportError as error:
            raise Lost(_told(error)) from error
        self._refuse_strangers(answer)
        return answer

    def _refuse_strangers(self, answer: httpx.Response) -> None:
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            raise UserError(f"The server at {self.sampler.url} asks for a key: set {KEY} to the one it was given.")

    async def _complete(self, asked: Sequence[dict[str, Any]], found: dict[int, Completion]) -> None:
        """Fills `found`, by place, with what is still missing of `asked`. Raises Lost; what was found stays."""
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        timeout = httpx.Timeout(ANSWER_S, read=None, pool=None)  # a long completion says nothing until it is whole
        async with httpx.AsyncClient(**self._connection, limits=limits, timeout=timeout) as http:

            async def complete(place: int) -> None:
                try:
                    answer = await http.post("/v1/completions", json=asked[place])
                except httpx.TransportError as error:
                    raise Lost(_told(error)) from error
                self._refuse_strangers(answer)
                if answer.status_code == httpx.codes.NOT_FOUND:
                    raise Lost("it was started anew and does not know the adapter")
                if answer.is_server_error:
                    raise Lost(_reason(answer))
                if not answer.is_success:
                    raise UserError(f"The server at {self.sampler.url} refuses a prompt: {_reason(answer)}")
                found[place] = _completion(answer.json()["choices"][0])

            async def watch() -> None:
                while True:
                    await asyncio.sleep(WATCH_EVERY_S)
                    try:
                        (await http.get("/health", timeout=ANSWER_S)).raise_for_status()
                    except httpx.HTTPError as error:
                        raise Lost(_told(error)) from error

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


def _completion(choice: dict[str, Any]) -> Completion:
    ids = tuple(choice["token_ids"])
    return Completion(
        "", len(ids), choice["finish_reason"] == "length", ids, tuple(choice["logprobs"]["token_logprobs"])
    )


def _told(error: httpx.HTTPError) -> str:
    return str(error) or type(error).__name__


def _reason(answer: httpx.Response) -> str:
    """What the server says of a request that it did not answer well, on one line."""
    try:
        said = answer.json()
        text = said.get("error", said).get("message", answer.text)
    except (ValueError, AttributeError):
        text = answer.text
    return " ".join(text.split())[:300] or f"status {answer.status_code}"
