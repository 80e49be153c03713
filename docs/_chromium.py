"""Headless Chromium, driven by its DevTools protocol over a pipe."""

import contextlib
import fcntl
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
OPTIONS = [
    "--headless",
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    # Requests to other machines fail at once, and are seen.
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
]
SETTLED = """
Promise.resolve(window.MathJax?.startup?.promise).then(() => document.fonts.ready)
  .then(() => new Promise(resolve => requestAnimationFrame(() => resolve(true))))
"""


def find_chromium():
    """The first Chromium on the path, or None."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Chromium:
    """One tab of a headless Chromium; a context manager that ends it."""

    def __init__(self, program):
        if program is None:
            raise RuntimeError(f"No Chromium on the path; looked for {', '.join(PROGRAMS)}.")
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        ends = [*os.pipe(), *os.pipe()]
        # Above the numbers 3 and 4, on which Chromium reads and writes.
        theirs_in, self.out, self.into, theirs_out = (
            fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends
        )
        for end in ends:
            os.close(end)
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        self.process = subprocess.Popen(
            [program, *OPTIONS, *sandbox, f"--user-data-dir={self.profile.name}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            close_fds=False,
            preexec_fn=lambda: (os.dup2(theirs_in, 3), os.dup2(theirs_out, 4)),
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self.rest, self.events, self.last, self.session = b"", [], 0, None

    def __enter__(self):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call("Network.setCacheDisabled", cacheDisabled=True)
        return self

    def __exit__(self, *failure):
        with contextlib.suppress(OSError, RuntimeError, TimeoutError):
            self.call("Browser.close")
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.out)
        os.close(self.into)
        self.profile.cleanup()

    def messages(self, seconds):
        """What has come within some seconds, at least one message unless nothing comes."""
        ready, _, _ = select.select([self.into], [], [], seconds)
        if not ready:
            return []
        came = os.read(self.into, 1 << 20)
        if not came:
            raise RuntimeError("Chromium has ended.")
        *whole, self.rest = (self.rest + came).split(b"\0")
        return [json.loads(message) for message in whole]

    def call(self, method, **params):
        """The answer to one command; events that come before it are kept."""
        self.last += 1
        command = {"id": self.last, "method": method, "params": params}
        if self.session and not method.startswith(("Target.", "Browser.")):
            command["sessionId"] = self.session
        told = json.dumps(command).encode() + b"\0"
        while told:
            told = told[os.write(self.out, told) :]
        deadline, answer = time.monotonic() + 60, None
        while answer is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"No answer to {method} within a minute.")
            for message in self.messages(1):
                if message.get("id") == self.last:
                    answer = message
                elif "method" in message:
                    self.events.append(message)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def evaluate(self, expression):
        """The value of an expression in the page, once it is there."""
        answer = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"].get("description"))
        return answer["result"].get("value")

    def resize(self, width, height=900):
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def screenshot(self, width):
        """The whole page as a PNG, in base64."""
        height = self.evaluate("document.documentElement.scrollHeight")
        clip = {"x": 0, "y": 0, "width": width, "height": min(height, 6000), "scale": 1}
        return self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)["data"]

    def pending(self):
        started = {e["params"]["requestId"] for e in self.of("Network.requestWillBeSent")}
        for ended in ("Network.loadingFinished", "Network.loadingFailed"):
            started -= {e["params"]["requestId"] for e in self.of(ended)}
        return started

    def of(self, method):
        return [event for event in self.events if event["method"] == method]

    def load(self, url):
        """Go to a page for the first time and wait until it is at rest; events, bytes."""
        self.call("Page.navigate", url="about:blank")
        self.call("Storage.clearDataForOrigin", origin=url, storageTypes="all")
        self.events = []
        self.call("Page.navigate", url=url)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and not self.of("Page.loadEventFired"):
            self.events += [m for m in self.messages(0.5) if "method" in m]
        self.evaluate(SETTLED)
        while time.monotonic() < deadline and self.pending():
            self.events += [m for m in self.messages(0.5) if "method" in m]
        received = self.of("Network.loadingFinished")
        return list(self.events), sum(e["params"]["encodedDataLength"] for e in received)
