"""The look at a built site finds what is wrong with a page, and nothing with a sound one."""

import sys

import pytest

pytest.importorskip("fcntl")
from docs._chromium import find_chromium
from docs.check_site import check

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="Chromium is driven over a POSIX pipe"),
    pytest.mark.skipif(find_chromium() is None, reason="needs Chromium"),
]

HEAD = """<!doctype html><html lang="en"><head><title>A page</title>
<meta name="description" content="d"><meta name="viewport" content="width=device-width">
<link rel="icon" href="icon.svg">"""
ICON = '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect/></svg>'

FAULTS = {
    "console.html": ("<script>console.error('lost')</script>", "console: lost"),
    "script.html": ("<script>nothing.at.all()</script>", "error in a script: ReferenceError"),
    "request.html": ("<script src='gone.js'></script>", "request failed (404)"),
    "offline.html": ("<script src='https://example.org/a.js'></script>", "leaves the machine"),
    "link.html": ("<a href='nowhere.html'>x</a>", "dead link: nowhere.html"),
    "anchor.html": ("<a href='sound.html#nowhere'>x</a>", "dead anchor: sound.html#nowhere"),
    "wide.html": ("<div style='width: 800px'>x</div>", "scrolls sideways at phone"),
    "inside.html": (
        "<main style='overflow-x: auto'><h2>x</h2><div style='width: 800px'>x</div></main>",
        "scrolls sideways at phone",
    ),
    "alt.html": ("<img src='icon.svg' width='8' height='8'>", "image without alt text: icon.svg"),
    "size.html": ("<img src='icon.svg' alt='x'>", "image without width and height: icon.svg"),
    "broken.html": ("<img src='data:image/png;,' alt='x'>", "image is not shown: img"),
    "heading.html": ("<h1>another</h1>", "page without single h1"),
    "heavy.html": (f"<!--{'x' * 2_000_000}-->", "page of 2.0 MB"),
}
SOUND = """<h2 id='there'>x</h2><a href='#there'>x</a> <a href='wide.html'>x</a>
<a href='https://example.org/'>elsewhere</a><img src='icon.svg' alt='x' width='8' height='8'>
<div style='overflow-x: auto'><table style='width: 800px'><tr><td>x</td></tr></table></div>"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    (folder / "icon.svg").write_text(ICON)
    bodies = {"sound.html": SOUND} | {name: body for name, (body, _) in FAULTS.items()}
    for name, body in bodies.items():
        (folder / name).write_text(f"{HEAD}</head><body><h1>A page</h1>{body}</body></html>")
    return check(folder)


def test_a_sound_page_has_no_fault(found):
    assert found[0]["sound.html"] == []


@pytest.mark.parametrize("page", FAULTS)
def test_a_fault_is_found(found, page):
    (fault,) = found[0][page]
    assert FAULTS[page][1] in fault


def test_weights_are_in_bytes(found):
    assert len(HEAD + SOUND) < found[1]["sound.html"] < 2_500
    assert found[1]["heavy.html"] > 2_000_000
