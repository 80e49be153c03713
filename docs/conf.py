"""Sphinx settings. The build reads nothing from a network."""

import os
import re

os.environ.setdefault("MPLBACKEND", "Agg")

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
]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
templates_path = ["_templates"]
default_role = "literal"
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
    "capture_repr": ("_repr_html_", "__repr__"),
}
# The gallery's settings hold objects that cannot be cached.
suppress_warnings = ["config.cache"]

html_theme = "pydata_sphinx_theme"
html_title = "skdiffusion"
html_show_sourcelink = False
html_theme_options = {"show_toc_level": 2, "navigation_with_keys": False}
html_sidebars = {"index": [], "installation": [], "quickstart": [], "changelog": []}


def skip_routing(app, what, name, obj, skip, options):
    """Leave out the methods that scikit-learn adds for metadata routing."""
    return True if re.fullmatch(r"set_\w+_request", name) else skip


def setup(app):
    app.connect("autodoc-skip-member", skip_routing)
