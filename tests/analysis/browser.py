"""Headless Chromium by the WebDriver protocol, as much of it as the report's test needs."""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-color-profile=srgb"]


def require_chromium() -> tuple[str, str]:
    """The paths of Chromium and its driver; without them the test is skipped, and fails where CI must have them."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if browser and driver:
        return browser, driver
    reason = "Chromium and its driver are not installed (Debian: apt-get install chromium chromium-driver)"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass(frozen=True)
class Page:
    """An open browser window."""

    session: str

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The value of the driver's answer."""
        data = json.dumps(body or {}).encode() if method == "POST" else None
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.session}/{path}", data, headers, method=method)
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.load(answer)["value"]

    def open(self, url: str) -> None:
        self.ask("POST", "url", {"url": url})

    def resize(self, width: int, height: int) -> None:
        """Sets the size of the page itself, whatever the window's smallest is."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        body = {"cmd": "Emulation.setDeviceMetricsOverride", "params": size}
        self.ask("POST", "goog/cdp/execute", body)

    def run(self, script: str) -> Any:
        """What a piece of JavaScript returns."""
        return self.ask("POST", "execute/sync", {"script": script, "args": []})

    def logs(self, kind: str) -> list[dict[str, Any]]:
        """`browser`: the console; `performance`: what was fetched."""
        return self.ask("POST", "se/log", {"type": kind})

    def screenshot(self) -> bytes:
        return base64.b64decode(self.ask("GET", "screenshot"))


@contextlib.contextmanager
def chromium(browser: str, driver: str) -> Iterator[Page]:
    process = subprocess.Popen([driver, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        line = next(line for line in process.stdout if "on port" in line and "started" in line)
        port = line.split("on port")[1].strip().rstrip(".")
        options = {"binary": browser, "args": FLAGS}
        logging = {"browser": "ALL", "performance": "ALL"}
        wanted = {"alwaysMatch": {"goog:chromeOptions": options, "goog:loggingPrefs": logging}}
        driver_page = Page(f"http://127.0.0.1:{port}")
        session = driver_page.ask("POST", "session", {"capabilities": wanted})["sessionId"]
        yield Page(f"http://127.0.0.1:{port}/session/{session}")
        driver_page.ask("DELETE", f"session/{session}")
    finally:
        process.terminate()
        process.wait()
