"""Every picture that there are runs for: python analysis/figures.py [source=choice] [key=value] ...

One PNG and one SVG each: the dynamics of every run, the arms of every study, accuracy against training FLOPs, costs,
and the transition's step against what was swept. Exit code 0 if any was made, 2 if there is nothing to draw.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":  # started by its path: the repository's root belongs on the path, not this folder
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from matplotlib import style
from matplotlib.figure import Figure

from analysis import pictures
from analysis.evaluations import Missing
from analysis.names import file_name
from analysis.overview import Overview, load_overview
from analysis.settings import help_text, settings
from tina import terminal
from tina.errors import UserError

STYLE = Path(__file__).parent / "style.mplstyle"
NO_DATE = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
"""The same runs give the same files."""


@dataclass(frozen=True)
class Picture:
    """A figure with the name of its file and a sentence that says what it shows; or why there is none."""

    name: str
    caption: str
    figure: Figure | Missing


def draw(overview: Overview) -> Iterator[Picture]:
    """All pictures, one after the other: a figure is large, so keep none that is done with."""
    with style.context(STYLE):
        for manifest in overview.manifests:
            name, arms = manifest["study"], overview.arms[manifest["study"]]
            title = manifest.get("title") or name
            yield Picture(file_name("study", name), f"{title}: arms with 95 % intervals.", pictures.study(title, arms))
            figure = pictures.transitions(title, arms, list(manifest.get("axes") or {}))
            yield Picture(file_name("transition", name), f"{title}: where the format turns.", figure)
        yield Picture("flops", "Accuracy against training FLOPs.", pictures.flops(overview.rows))
        yield Picture("cost", "What the runs cost.", pictures.cost(overview.costs))
        for row in overview.rows:
            caption = f"{row['label']}: rewards and length over training."
            yield Picture(file_name("dynamics", row["run"]), caption, pictures.dynamics(row, overview.series))


def save(picture: Picture, folder: Path) -> None:
    """Writes `<name>.png` and `.svg`. Raises UserError if the folder cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with style.context(STYLE):
            for suffix, metadata in NO_DATE.items():
                path = folder / f"{picture.name.replace('/', '_')}.{suffix}"
                picture.figure.savefig(path, format=suffix, metadata=metadata)
    except OSError as error:
        raise UserError(f"Pictures cannot be written to {folder} ({error.strerror}): set figures=<folder>.") from error


def main(arguments: Sequence[str]) -> int:
    """Draws and writes all pictures; returns the exit code."""
    if "--help" in arguments or "-h" in arguments:
        print(help_text(__doc__))
        return 0
    made, not_made = [], []
    try:
        chosen = settings(arguments)
        for picture in draw(load_overview(chosen)):
            if isinstance(picture.figure, Missing):
                not_made.append(f"{picture.name} ({picture.figure})")
            else:
                save(picture, Path(chosen["figures"]))
                made.append(picture.name)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    if not made:
        print(f"There is nothing to draw: {'; '.join(not_made)}.", file=sys.stderr)
        return 2
    print(f"Written to {chosen['figures']}, as .png and .svg: {', '.join(made)}.")
    if not_made:
        print(f"Not made: {'; '.join(not_made)}.")
    return 0


if __name__ == "__main__":
    terminal.prepare(foreign=True, sockets=False)
    sys.exit(main(sys.argv[1:]))
