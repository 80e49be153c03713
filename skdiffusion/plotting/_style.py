"""What all displays share: the way to matplotlib, and a look."""

from typing import Any

# Slate for what was measured, vermilion for what was made: told apart without colour vision too,
# since they differ in lightness. The others serve further groups.
REAL, SYNTHETIC = "#35495e", "#f4743b"
GROUPS = (REAL, "#3a8fb7", SYNTHETIC, "#a3a9b0", "#7b5ea7", "#5b9a57")
MUTED = "#6b7480"


def import_pyplot(caller: str) -> Any:
    """Return ``matplotlib.pyplot``, or say where to get it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{caller} needs matplotlib. Install it with: pip install 'skdiffusion[plot]'"
        ) from error
    return plt


def tidy(ax: Any, *, left: bool = True) -> None:
    """Take away the lines of an axes that carry no data."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(MUTED)
    ax.tick_params(colors=MUTED, labelsize="small")
    if not left:
        ax.spines["left"].set_visible(False)
        ax.set_yticks([])
