"""How fast the live parts of the web edition answer in Chromium, served from this machine.

    python3 start.py site --build        once
    python benchmarks/live.py

Prints medians (and the range) for a host that sends the headers for several threads, as `start.py site` does, and for a
plain static host: seconds from the click to BERT's first answer, five pages each; milliseconds for a sentence of 20 tokens,
20 times after five to warm up; milliseconds from a keystroke in lesson 04's tokenizer to its boxes.
"""

import functools
import http.server
import os
import shutil
import statistics
import sys
import threading
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

SITE = Path(__file__).resolve().parents[1] / "site"
sys.path.append(str(SITE))
import build  # noqa: E402

FLAGS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking".split()
SENTENCE = "I was walking home from the station when the rain began to fall on the quiet [MASK]."
ASK = """async (sentence) => {
    const { loadBert, BASE } = await import(new URL("live/bert.js", location.href).href);
    const { loadTokenizer } = await import(new URL("live/model.js", location.href).href);
    const bert = await loadBert();
    const took = [];
    for (let n = 0; n < 25; n++) {
        const started = performance.now();
        await bert.guess(sentence, 5);
        took.push(performance.now() - started);
    }
    const { env } = await import(new URL("live/vendor/ort.wasm.min.mjs", location.href).href);
    return [(await loadTokenizer(BASE)).encode(sentence).ids.length, env.wasm.numThreads, took.slice(5)];
}"""
TYPE = """() => {
    const box = document.querySelector("[data-live=tokenizer] input");
    return [..."photovoltaics are unseasonably warm"].map((letter) => {
        const started = performance.now();
        box.value += letter;
        box.dispatchEvent(new Event("input"));
        box.parentElement.parentElement.getBoundingClientRect(); // the boxes have their places
        return performance.now() - started;
    });
}"""


class Plain(build.Handler):
    """The same server without the two headers."""

    def send_header(self, keyword, value):
        if not keyword.startswith("Cross-Origin"):
            super().send_header(keyword, value)


def say(what, values, unit, digits=0):
    middle, low, high = (f"{f(values):.{digits}f}" for f in (statistics.median, min, max))
    print(f"  {what}: {middle} {unit} ({low} to {high})", flush=True)


def measure(browser, name, address):
    ready = []
    for _ in range(5):
        page = browser.new_page()
        page.goto(address)
        button = page.locator("[data-live=mask] button")
        button.wait_for()
        started = time.perf_counter()
        button.click()
        page.locator("[data-live=mask] .live-bars").wait_for()
        ready.append(time.perf_counter() - started)
        length, threads, took = page.evaluate(ASK, SENTENCE)
        if len(ready) < 5:
            page.close()
    print(f"{name}: threads {threads}, processors {os.cpu_count()}")
    say("BERT's first answer after the click", ready, "s", 1)
    say(f"a sentence of {length} tokens", took, "ms")
    page.goto(f"{address}notebooks/04_encoding.html")
    page.locator("[data-live=tokenizer] button").click()
    page.locator("[data-live=tokenizer] input").wait_for()
    say("a keystroke in the tokenizer", page.evaluate(TYPE), "ms", 1)


def main():
    if not (build.OUT / "live" / "parts.json").exists():
        sys.exit("There are no built pages with live parts: run python3 start.py site --build first.")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        sys.exit("Chromium is not installed.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        for name, kind in (("with the headers", build.Handler), ("plain host", Plain)):
            handler = functools.partial(kind, directory=str(build.OUT))
            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            measure(browser, name, f"http://127.0.0.1:{server.server_port}/")
        browser.close()


if __name__ == "__main__":
    main()
