"""A W&B server of the size of a test: what the client of wandb 0.31 asks when it reads runs, on loopback."""

import contextlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from analysis.runs import Logs

PROJECT = "them/tina"


@dataclass
class StubRun:
    """One run as a server holds it: rows of history in the order they were logged, files by name."""

    name: str
    config: Mapping[str, Any]
    summary: Mapping[str, Any]
    rows: list[Mapping[str, Any]] = field(default_factory=list)
    group: str = ""
    job_type: str = ""
    state: str = "finished"
    files: Mapping[str, bytes] = field(default_factory=dict)
    created: str = "2026-01-02T03:04:05Z"

    def node(self) -> dict[str, Any]:
        return {
            "id": f"id-{self.name}",
            "name": self.name,
            "displayName": self.name,
            "projectId": 1,
            "tags": ["a tag"],
            "sweepName": None,
            "state": self.state,
            "group": self.group,
            "jobType": self.job_type,
            "commit": None,
            "readOnly": False,
            "createdAt": self.created,
            "heartbeatAt": "2026-01-02T03:05:05Z",
            "description": "",
            "notes": "",
            "historyLineCount": len(self.rows),
            "user": {"name": "them", "username": "them"},
            "config": json.dumps({key: {"value": value} for key, value in self.config.items()}),
            "summaryMetrics": json.dumps(self.summary),
            "systemMetrics": "{}",
            "historyKeys": {"lastStep": len(self.rows) - 1, "keys": {}},
        }


def uploaded(logs: Logs) -> list[StubRun]:
    """Offline runs as a server would hold them after `wandb sync`."""
    runs = []
    for run in logs.runs.to_dict("records"):
        summary = {key: value for key, value in run["summary"].items() if not key.startswith("problems.")}
        files = {}
        if name := run["summary"].get("problems.path"):
            files[name] = (Path(run["path"]).parent / "files" / name).read_bytes()
            summary["problems"] = {"path": name, "sha256": run["summary"]["problems.sha256"], "_type": "table-file"}
        rows: dict[int, dict] = {}
        for point in logs.metrics[logs.metrics.run == run["id"]].itertuples():
            rows.setdefault(point.step, {"train/global_step": point.step})[point.metric] = point.value
        created = datetime.fromtimestamp(run["started"], UTC).isoformat().replace("+00:00", "Z")
        names = {"group": run["group"], "job_type": run["job_type"], "state": run["state"]}
        runs.append(
            StubRun(run["id"], run["config"], summary, list(rows.values()), **names, files=files, created=created)
        )
    return runs


@dataclass
class Stub:
    """`operations` lists what was asked, in order."""

    url: str
    runs: list[StubRun]
    operations: list[str] = field(default_factory=list)

    def answer(self, query: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        operation = re.search(r"(?:query|mutation)\s+(\w+)", query)[1]
        self.operations.append(operation)
        handler = ANSWERS.get(operation)
        return handler(self, variables) if handler else {}

    def find(self, variables: Mapping[str, Any]) -> StubRun:
        name = variables.get("name") or variables.get("run")
        return next(run for run in self.runs if run.name == name)

    def list_runs(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        if f"{variables['entity']}/{variables['project']}" != PROJECT:
            return {"project": None}
        start = int(variables.get("cursor") or 0)
        page = self.runs[start : start + int(variables.get("perPage") or 50)]
        edges = [{"node": run.node(), "cursor": str(start + place + 1)} for place, run in enumerate(page)]
        end = start + len(page)
        info = {"endCursor": str(end), "hasNextPage": end < len(self.runs)}
        runs = {"edges": edges, "pageInfo": info}
        return {"project": {"internalId": 1, "runCount": len(self.runs), "readOnly": False, "runs": runs}}

    def one_run(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        return {"project": {"internalId": 1, "run": self.find(variables).node()}}

    def parquet(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        return {"project": {"run": {"parquetHistory": {"parquetUrls": [], "liveData": []}}}}

    def history(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        rows = self.find(variables).rows
        low, high = int(variables.get("minStep") or 0), int(variables.get("maxStep") or len(rows))
        lines = [json.dumps(dict(row, _step=place)) for place, row in enumerate(rows) if low <= place < high]
        return {"project": {"run": {"history": lines}}}

    def list_files(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        run = self.find(variables)
        wanted = [name for name in run.files if name in variables["fileNames"]]
        edges = [{"node": self._file(run, name), "cursor": name} for name in wanted]
        files = {"edges": edges, "pageInfo": {"endCursor": "", "hasNextPage": False}}
        return {"project": {"internalId": 1, "run": {"fileCount": len(edges), "files": files}}}

    def _file(self, run: StubRun, name: str) -> dict[str, Any]:
        url = f"{self.url}/files/{run.name}/{name}"
        size = len(run.files[name])
        facts = {"sizeBytes": size, "mimetype": "application/json", "updatedAt": None, "md5": ""}
        return {"id": name, "name": name, "url": url, "directUrl": url} | facts


VIEWER = {"id": "1", "entity": "them", "username": "them", "flags": "{}", "teams": {"edges": []}}
ANSWERS: dict[str, Callable[[Stub, Mapping[str, Any]], dict[str, Any]]] = {
    "Viewer": lambda stub, _: {"viewer": VIEWER},
    "GetDefaultEntity": lambda stub, _: {"viewer": VIEWER},
    "Runs": Stub.list_runs,
    "Run": Stub.one_run,
    "RunHistoryKeys": Stub.one_run,
    "RunParquetHistory": Stub.parquet,
    "HistoryPage": Stub.history,
    "RunFiles": Stub.list_files,
}


@contextlib.contextmanager
def serving(runs: list[StubRun]) -> Iterator[Stub]:
    """The stub, listening on a free port of 127.0.0.1."""
    stub = Stub("", runs)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.path != "/graphql":
                self._send(b"{}")  # the client's own telemetry
                return
            asked = json.loads(body)
            self._send(json.dumps({"data": stub.answer(asked["query"], asked.get("variables") or {})}).encode())

        def do_GET(self) -> None:
            _, kind, name, *path = unquote(self.path).split("/", 3)
            run = next((run for run in stub.runs if kind == "files" and run.name == name), None)
            data = run.files.get(path[0]) if run and path else None
            self._send(data or b"not found", 200 if data else 404)

        def _send(self, body: bytes, status: int = 200) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stub.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield stub
    finally:
        server.shutdown()
        server.server_close()
