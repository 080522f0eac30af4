"""Background: texts that belong to no route of any catalog, shipped beside this file."""

from importlib.resources import files


def background_texts() -> list[str]:
    """Requests, remarks and noise of many kinds and languages, one a line, written for this purpose."""
    return files("fingerpost.build").joinpath("background.txt").read_text(encoding="utf-8").splitlines()
