"""What the build adds to every page: sizes of images and a description."""

import importlib
import sys
from pathlib import Path

import pytest

nodes = pytest.importorskip("docutils.nodes")
pytest.importorskip("imagesize")
sys.path.insert(0, str(Path(__file__).parent.parent / "docs"))
site = importlib.import_module("docs._site")


@pytest.fixture
def folder(tmp_path):
    plt = pytest.importorskip("matplotlib.pyplot")
    plt.imsave(tmp_path / "a.png", [[0.0, 1.0, 0.0]])
    return tmp_path


def test_an_image_gets_its_size(folder):
    tag = '<img alt="x" src="a.png" class="y"/>'
    assert site.IMAGE.fullmatch(tag)
    assert site.sized(tag, folder) == '<img width="3" height="1" alt="x" src="a.png" class="y"/>'


def test_an_image_with_a_size_or_from_elsewhere_is_left(folder):
    assert not site.IMAGE.search('<img alt="x" src="a.png" width="9"/>')
    tag = '<img alt="x" src="data:image/png;base64,AA"/>'
    assert site.sized(tag, folder) == tag


def test_frames_of_an_animation_get_a_text(folder):
    assert site.sized('<img id="_anim_img1">', folder) == '<img alt="Animation" id="_anim_img1">'


def test_icons_come_from_no_network():
    link = '<link rel="stylesheet"\nhref="https://cdn.example.org/font-awesome/4.4.0/all.min.css">'
    assert site.ELSEWHERE.sub("", f"a{link}b") == "ab"
    assert not site.ELSEWHERE.search('<link rel="stylesheet" href="_static/font-awesome.css">')


def test_a_description_is_the_first_full_paragraph():
    tree = nodes.section()
    words = "many words " * 30
    tree += [nodes.paragraph(text="short"), nodes.paragraph(text=words)]
    told = site.description_of(tree)
    assert told.startswith("many words many")
    assert told.endswith(" ...")
    assert len(told) <= site.MAX_DESCRIPTION + 4
    assert site.description_of(None).startswith("Diffusion models for tables")
