"""A pool of grading workers with a hard time limit per item.

Each call brings its own event loop, so calls may come from any thread and overlap; they share the idle workers. An
item that takes longer than a moment gets a stand-in beside it, so that one stuck answer delays nobody else.
"""

import os
import selectors
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path

from tina.grading import wire
from tina.grading.wire import COMMAND, FORK, KILL, READY

PATIENCE_S = 0.3
MAX_STAND_INS = 4
WORKER_MEMORY_MB = 2048
_START_LIMIT_S = 120.0
_ATTEMPTS = 2

TIMED_OUT = {"failed": "over the time limit"}
DIED = {"failed": "its worker died twice"}


@dataclass(eq=False)
class _Worker:
    pid: int
    connection: socket.socket
    item: int = -1
    started: float = 0.0


@dataclass
class _Batch:
    """The state of one call: replies [n], items still to be handed out, workers that are busy, attempts made."""

    requests: list[dict]
    replies: list[dict | None]
    waiting: deque[int]
    attempts: Counter = field(default_factory=Counter)
    busy: set[_Worker] = field(default_factory=set)
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)


class Pool:
    """Workers are forked when they are first needed; `counts` holds timeouts and worker_deaths."""

    def __init__(self, timeout_s: float, workers: int):
        self.timeout_s, self.workers = timeout_s, workers
        self.counts: Counter[str] = Counter()
        self._lock = threading.RLock()
        self._idle: list[_Worker] = []
        self._control: socket.socket | None = None
        self._process: subprocess.Popen | None = None
        self._is_ready = False
        self._stop_server = lambda: None
        self._owner = os.getpid()

    def warm_up(self) -> None:
        """Starts the server without waiting for it: its imports take a second, which the caller can use."""
        with self._lock:
            self._forget_what_a_fork_left()
            if self._control is None:
                self._launch_server()

    def run(self, requests: list[dict]) -> list[dict]:
        """One reply per request, in order: the worker's, or {"failed": why there is none}.

        Raises RuntimeError if no worker can be started.
        """
        batch = _Batch(requests, [None] * len(requests), deque(range(len(requests))))
        try:
            while batch.waiting or batch.busy:
                self._hand_out(batch)
                for key, _ in batch.selector.select(self._until_next_event(batch)):
                    self._collect(batch, key.data)
                for worker in [worker for worker in batch.busy if self._age(worker) > self.timeout_s]:
                    self._give_up(batch, worker)
        finally:
            for worker in list(batch.busy):  # only after an exception, such as KeyboardInterrupt
                self._dismiss(batch, worker)
            batch.selector.close()
        return batch.replies

    def close(self) -> None:
        """Ends all processes; the next run starts new ones."""
        with self._lock:
            for worker in self._idle:
                worker.connection.close()
            self._idle.clear()
            self._control = None
            self._stop_server()

    def _hand_out(self, batch: _Batch) -> None:
        while batch.waiting and len(batch.busy) < self.workers + MAX_STAND_INS:
            if sum(self._age(worker) < PATIENCE_S for worker in batch.busy) >= self.workers:
                return
            worker = self._idle_or_new()
            worker.item, worker.started = batch.waiting.popleft(), time.monotonic()
            batch.busy.add(worker)
            batch.selector.register(worker.connection, selectors.EVENT_READ, worker)
            try:
                wire.send(worker.connection, batch.requests[worker.item])
            except OSError:
                self._after_death(batch, worker)

    def _until_next_event(self, batch: _Batch) -> float:
        """Seconds until a worker is over its limit, or slow enough to get a stand-in."""
        limits = [self.timeout_s, PATIENCE_S] if batch.waiting else [self.timeout_s]
        left = [limit - self._age(worker) for worker in batch.busy for limit in limits]
        return max(0.001, min((seconds for seconds in left if seconds > 0), default=0.001))

    def _collect(self, batch: _Batch, worker: _Worker) -> None:
        if worker not in batch.busy:
            return
        reply = wire.receive(worker.connection)
        if reply is None:
            self._give_up(batch, worker) if self._age(worker) > self.timeout_s else self._after_death(batch, worker)
            return
        batch.replies[worker.item] = reply
        batch.busy.discard(worker)
        batch.selector.unregister(worker.connection)
        with self._lock:
            if len(self._idle) < self.workers:
                self._idle.append(worker)
            else:
                worker.connection.close()

    def _give_up(self, batch: _Batch, worker: _Worker) -> None:
        batch.replies[worker.item] = TIMED_OUT
        self._count("timeouts")
        self._dismiss(batch, worker)

    def _after_death(self, batch: _Batch, worker: _Worker) -> None:
        self._count("worker_deaths")
        batch.attempts[worker.item] += 1
        if batch.attempts[worker.item] < _ATTEMPTS:
            batch.waiting.append(worker.item)
        else:
            batch.replies[worker.item] = DIED
        self._dismiss(batch, worker)

    def _dismiss(self, batch: _Batch, worker: _Worker) -> None:
        batch.busy.discard(worker)
        batch.selector.unregister(worker.connection)
        worker.connection.close()
        with self._lock:
            if self._control is not None:
                try:
                    self._control.sendall(COMMAND.pack(KILL, worker.pid))
                except OSError:  # the server is gone; a new one is started when a worker is needed
                    self._forget_server()

    @staticmethod
    def _age(worker: _Worker) -> float:
        return time.monotonic() - worker.started

    def _count(self, name: str) -> None:
        with self._lock:
            self.counts[name] += 1

    def _idle_or_new(self) -> _Worker:
        with self._lock:
            self._forget_what_a_fork_left()
            while self._idle:
                worker = self._idle.pop()
                if not _is_readable(worker.connection):  # an idle worker says nothing: this would be its end
                    return worker
                worker.connection.close()
                self._count("worker_deaths")
            try:
                return self._fork_worker()
            except OSError:
                self._forget_server()
                return self._fork_worker()

    def _fork_worker(self) -> _Worker:
        if self._control is None:
            self._launch_server()
        if not self._is_ready:
            self._await_server()
        ours, theirs = socket.socketpair()
        try:
            socket.send_fds(self._control, [COMMAND.pack(FORK, 0)], [theirs.fileno()])
            reply = self._control.recv(COMMAND.size)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        if len(reply) < COMMAND.size:
            ours.close()
            raise ConnectionError("the grading server is gone")
        return _Worker(COMMAND.unpack(reply)[1], ours)

    def _launch_server(self) -> None:
        control, theirs = socket.socketpair()
        root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
        arguments = [str(theirs.fileno()), str(self.timeout_s), str(WORKER_MEMORY_MB)]
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "tina.grading.server", *arguments],
            env=os.environ | {"PYTHONPATH": path, "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        control.settimeout(_START_LIMIT_S)
        self._control, self._process, self._is_ready = control, process, False
        self._stop_server = weakref.finalize(self, _stop, process, control)

    def _await_server(self) -> None:
        if self._control.recv(1) != READY:
            code = self._process.wait()
            self._forget_server()
            raise RuntimeError(f"The grading server ended with exit code {code} before it was ready.")
        self._is_ready = True

    def _forget_server(self) -> None:
        self._control = None
        self._stop_server()
        self._stop_server = lambda: None

    def _forget_what_a_fork_left(self) -> None:
        """In a forked child the sockets are the parent's: it starts processes of its own."""
        if self._owner != os.getpid():
            self._owner, self._idle, self._control = os.getpid(), [], None


def _stop(process: subprocess.Popen, control: socket.socket) -> None:
    control.close()
    try:
        process.wait(timeout=5.0)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _is_readable(connection: socket.socket) -> bool:
    with selectors.DefaultSelector() as selector:
        selector.register(connection, selectors.EVENT_READ)
        return bool(selector.select(0))
