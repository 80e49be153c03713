"""Look at every page of a built site in headless Chromium, wide and on a phone.

    python docs/check_site.py docs/_build/html [--screenshots FOLDER] [PAGE ...]

The site is served on the loopback address. Faults are what a reader would meet: errors in the
console, failed requests and ones that leave the machine, dead links and anchors between pages,
pages that scroll sideways, images without size or text, pages without title, heading or
description, and pages of more than 2 MB. Links to other sites are not followed. Chromium is driven
by its DevTools protocol over a pipe, so that nothing but Chromium itself has to be installed.
"""

import argparse
import base64
import sys
import threading
from collections import Counter
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

sys.path.insert(0, str(Path(__file__).parent))
from _chromium import Chromium, find_chromium

WIDTHS = {"desktop": 1280, "phone": 390}
MAX_WEIGHT = 2_000_000
# Frames of an animation are part of its page.
MAX_WEIGHT_OF_ANIMATION = 12_000_000

LOOK = r"""
(() => {
  const name = e => e.tagName.toLowerCase() + (e.id ? '#' + e.id : '')
    + [...e.classList].slice(0, 2).map(c => '.' + c).join('');
  const all = s => [...document.querySelectorAll(s)];
  const clips = e => getComputedStyle(e).overflowX !== 'visible';
  const kept = e => { for (let p = e.parentElement; p && p !== document.body; p = p.parentElement)
    if (clips(p)) return true; return false; };
  const root = document.documentElement, width = root.clientWidth;
  const sticksOut = root.scrollWidth <= width + 1 ? [] : all('body *')
    .filter(e => e.getBoundingClientRect().right > width + 1 && !kept(e)).slice(0, 3).map(name);
  const rolls = e => ['auto', 'scroll'].includes(getComputedStyle(e).overflowX);
  const scrolls = all('body *').filter(e => rolls(e)
    && e.scrollWidth > e.clientWidth + 1 && e.querySelector('h1, h2')).map(name);
  const seen = all('img').filter(i => i.getClientRects().length);
  const file = i => i.src.startsWith('data:') ? name(i) : i.src.split('/').pop();
  return {
    ids: all('[id]').map(e => e.id).concat(all('a[name]').map(a => a.name)),
    links: all('a[href]').map(a => a.href),
    overflow: root.scrollWidth > width + 1 ? [root.scrollWidth, ...sticksOut] : scrolls,
    broken: seen.filter(i => i.complete && !i.naturalWidth).map(file),
    noText: all('img:not([alt])').map(file),
    noSize: seen.filter(i => !(i.hasAttribute('width') && i.hasAttribute('height'))
      && !i.src.startsWith('data:') && !/height/.test(i.getAttribute('style'))).map(file),
    animated: all('.animation, video').length > 0,
    missing: [[document.title.trim(), 'title'], [all('h1').length === 1, 'single h1'],
      [root.lang, 'language'], [all('meta[name=description][content]').length, 'description'],
      [all('link[rel~=icon]').length, 'icon']].filter(p => !p[0]).map(p => p[1]),
  };
})()
"""


class Site(SimpleHTTPRequestHandler):
    """Files of a folder, and its 404.html for what is not there."""

    protocol_version = "HTTP/1.1"

    def send_error(self, code, message=None, explain=None):
        page = Path(self.directory) / "404.html"
        if code != 404 or not page.exists():
            return super().send_error(code, message, explain)
        body = page.read_bytes()
        self.send_response(code)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        return self.wfile.write(body)

    def log_message(self, *args):
        """Say nothing: what failed is told by the browser."""


def serve(folder):
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Site, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server, f"http://127.0.0.1:{server.server_port}/"


def faults_of_events(events, origin):
    """What the browser reported while it loaded a page."""
    urls = {}
    for event in events:
        method, what = event["method"], event["params"]
        if method == "Network.requestWillBeSent":
            url = what["request"]["url"]
            if url.startswith((origin, "data:", "blob:", "about:")):
                urls[what["requestId"]] = url
            else:
                yield f"request leaves the machine: {url}"
        elif method == "Network.responseReceived" and what["response"]["status"] >= 400:
            urls.pop(what["requestId"], None)
            yield f"request failed ({what['response']['status']}): {what['response']['url']}"
        elif method == "Network.loadingFailed" and what["requestId"] in urls:
            yield f"request failed ({what['errorText']}): {urls[what['requestId']]}"
        elif method == "Runtime.exceptionThrown":
            details = what["exceptionDetails"]
            told = details.get("exception", {}).get("description", details["text"])
            yield f"error in a script: {told.splitlines()[0]}"
        elif method == "Runtime.consoleAPICalled" and what["type"] in ("error", "assert"):
            told = [str(a.get("value", a.get("description"))) for a in what["args"]]
            yield f"console: {' '.join(told)}"
        elif (
            method == "Log.entryAdded"
            and what["entry"]["level"] == "error"
            and what["entry"]["source"] != "network"
        ):
            yield f"console: {what['entry']['text']}"


def faults_of_page(seen, weight):
    """Faults that the page has in itself."""
    for image in seen["broken"]:
        yield f"image is not shown: {image}"
    for image in seen["noText"]:
        yield f"image without alt text: {image}"
    for image in seen["noSize"]:
        yield f"image without width and height: {image}"
    for part in seen["missing"]:
        yield f"page without {part}"
    limit = MAX_WEIGHT_OF_ANIMATION if seen["animated"] else MAX_WEIGHT
    if weight > limit:
        yield f"page of {weight / 1e6:.1f} MB, more than {limit / 1e6:.0f}"


def faults_of_links(pages, folder, origin):
    """Links between pages whose target is not there; pages are checked against what was seen."""
    for page, seen in pages.items():
        for link in dict.fromkeys(seen["links"]):
            url, anchor = urldefrag(link)
            if not url.startswith(origin):
                continue
            path = unquote(urlsplit(url).path).lstrip("/") or "index.html"
            path += "index.html" if path.endswith("/") else ""
            if not (folder / path).is_file():
                yield page, f"dead link: {path}"
            elif anchor and path in pages and unquote(anchor) not in pages[path]["ids"]:
                yield page, f"dead anchor: {path}#{anchor}"


def look_at(browser, origin, page, screenshots):
    """The page as it was seen, its faults and its weight in bytes."""
    faults = []
    browser.resize(WIDTHS["desktop"])
    events, weight = browser.load(origin + page)
    for name, width in WIDTHS.items():
        browser.resize(width)
        seen = browser.evaluate(LOOK)
        if seen["overflow"]:
            faults.append(f"scrolls sideways at {name} width: {seen['overflow']}")
        if screenshots:
            file = screenshots / f"{page.removesuffix('.html').replace('/', '-')}-{name}.png"
            file.write_bytes(base64.b64decode(browser.screenshot(width)))
    # A fault of the phone's layout alone is one too, but what both show is told once.
    faults += [*faults_of_events(events, origin), *faults_of_page(seen, weight)]
    return seen, faults, weight


def check(folder, names=(), screenshots=None, chromium=None):
    """Faults by page, and weights by page, of a built site."""
    folder = Path(folder)
    pages, faults, weights = {}, {}, {}
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.html"))
    found = [page for page in found if not page.startswith("_")]
    server, origin = serve(folder)
    try:
        with Chromium(chromium or find_chromium()) as browser:
            for page in names or found:
                pages[page], faults[page], weights[page] = look_at(
                    browser, origin, page, screenshots
                )
    finally:
        server.shutdown()
        server.server_close()
    for page, fault in faults_of_links(pages, folder, origin):
        faults[page].append(fault)
    return faults, weights


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("site", type=Path, help="folder of a built site")
    parser.add_argument("pages", nargs="*", help="pages to look at; default: all")
    parser.add_argument("--screenshots", type=Path, help="folder for a picture of each page")
    parser.add_argument("--chromium", help="the program; default: the first on the path")
    chosen = parser.parse_args(arguments)
    if chosen.screenshots:
        chosen.screenshots.mkdir(parents=True, exist_ok=True)
    faults, weights = check(chosen.site, chosen.pages, chosen.screenshots, chosen.chromium)
    for page, told in faults.items():
        for fault, times in Counter(told).items():
            print(f"{page}: {fault}" + (f" ({times} times)" if times > 1 else ""))
    heaviest = max(weights, key=weights.get)
    n_faults = sum(map(len, faults.values()))
    print(f"{len(weights)} pages at {' and '.join(map(str, WIDTHS.values()))} pixels: ", end="")
    print(f"{n_faults} faults; heaviest {heaviest}, {weights[heaviest] / 1e6:.1f} MB")
    return int(n_faults > 0)


if __name__ == "__main__":
    sys.exit(main())
