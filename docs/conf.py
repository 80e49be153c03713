"""Sphinx settings. The build reads nothing from a network."""

import importlib.util
import os
import re
import sys
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")
sys.path.insert(0, str(Path(__file__).parent))

from sphinx_gallery.sorting import ExplicitOrder

import skdiffusion

project = "skdiffusion"
author = "The skdiffusion developers"
copyright = "the skdiffusion developers"
version = release = skdiffusion.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "myst_parser",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "_site",
]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
templates_path = ["_templates"]
default_role = "literal"
toc_object_entries_show_parents = "hide"
add_module_names = False

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc's sections say more than the annotations
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "within_subsection_order": ExplicitOrder(
        [
            "plot_sample_table.py",
            "plot_synthetic_report.py",
            "plot_conditions.py",
            "plot_imputation.py",
            "plot_oversampling.py",
            "plot_anomaly_detection.py",
            "plot_dependence.py",
            "plot_digits.py",
            "plot_digit_anomalies.py",
            "plot_five_ways.py",
            "plot_embedding.py",
            "plot_kernel_smoother.py",
            "plot_one_denoiser_many_schedules.py",
            "plot_operator_score_matching.py",
        ]
    ),
    "abort_on_example_error": True,
    "matplotlib_animations": True,
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
    "capture_repr": ("_repr_html_", "__repr__"),
}
# The gallery's settings hold objects that cannot be cached.
suppress_warnings = ["config.cache"]

html_theme = "pydata_sphinx_theme"
html_title = "skdiffusion"
html_show_sourcelink = False
html_favicon = "_static/icon.svg"
# The package carries MathJax as published, so that formulas need no network; of its parts, those
# that formulas need are half of what its usual bundles are.
_mathjax = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent / "static"
html_static_path = ["_static", str(_mathjax)]
mathjax_path = "mathjax/startup.js"
mathjax3_config = {"loader": {"load": ["input/tex", "output/chtml", "a11y/assistive-mml"]}}
html_css_files = ["site.css"]
html_additional_pages = {"404": "404.html"}
# Where the site will stand; 404.html finds its files from there.
html_baseurl = os.environ.get("SKDIFFUSION_SITE", "")
html_context = {"default_mode": "auto"}
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "navbar_center": ["navbar-sections"],
    "logo": {"image_light": "_static/icon.svg", "image_dark": "_static/icon.svg", "text": project},
    "footer_end": [],
}
html_sidebars = {"**": ["sidebar-nav-bs"]}
site_sections = [
    ("installation", "Install"),
    ("quickstart", "Quickstart"),
    ("auto_examples/index", "Examples"),
    ("api", "API"),
    ("benchmarks/index", "Benchmarks"),
]


def skip_routing(app, what, name, obj, skip, options):
    """Leave out the methods that scikit-learn adds for metadata routing."""
    return True if re.fullmatch(r"set_\w+_request", name) else skip


def unlink_elsewhere(app, what, name, obj, options, lines):
    """Keep the words alone of links into scikit-learn's guide, which inherited docstrings have."""
    if not str(getattr(obj, "__module__", "")).startswith("skdiffusion"):
        text = re.sub(r":ref:`([^<`]+?)\s*<[^`]*>`", r"\1", "\n".join(lines))
        lines[:] = re.sub(r":ref:`[^`]+`", "scikit-learn's guide", text).split("\n")


def setup(app):
    app.connect("autodoc-skip-member", skip_routing)
    app.connect("autodoc-process-docstring", unlink_elsewhere)
