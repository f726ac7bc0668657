"""A new study folder: data with a dictionary, a study file, a notebook and how to go on; it runs as it is."""

from __future__ import annotations

import json
import os
import re
import shlex
import unicodedata
from importlib import resources
from pathlib import Path

from gmvcausal.errors import InputError
from gmvcausal.frames.params import one_of

_BYTES = 150  # of 255 that a name may have: names of reports are made from it
_FORBIDDEN = '<>:"/\\|?*'
# Names of devices, which Windows gives to no file, whatever follows their first dot.
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in "123456789¹²³")}
# File of the folder: its template. The script is no .py there, being none before the name is filled in.
_TEXTS = {
    "README.md": "README.md",
    "study.toml": "study.toml",
    "notebook.py": "notebook.txt",
    "data/README.md": "data.md",
}
_PAIRED = {"jupytext": {"formats": "ipynb,py:percent"}}


def make_study(name: str, folder: Path | None = None, *, language: str = "en") -> Path:
    """Make the folder of a new study; nothing that is there is ever written over.

    Parameters
    ----------
    name : str
        Of the folder, and the title of the study. Any script and spaces; no path, and nothing that some machine cannot
        hold (separators, control characters, names of devices).
    folder : Path, optional
        Where it is made; the current one by default.
    language : {"en", "zh"}
        Of the texts, the report and the chapter.

    Returns
    -------
    Path
        Of the folder made.

    Raises
    ------
    InputError
        For a name that cannot be a folder's, for a folder that holds something already, and where it cannot be made.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> made = make_study("Spring coupon", pathlib.Path(tempfile.mkdtemp()))
    >>> sorted(path.name for path in made.iterdir())
    ['README.md', 'data', 'notebook.ipynb', 'notebook.py', 'study.toml']
    """
    one_of("language", language, ("en", "zh"))
    check_name(name)
    target = (folder or Path()) / name
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise InputError(f"{name!r} is there already, and is no folder", remedy="give another name")
    files = _files(name, language)
    try:
        if target.is_dir() and any(target.iterdir()):
            raise InputError(
                f"the folder {name!r} is there already and is not empty",
                remedy="give another name; nothing is ever written over",
            )
        target.mkdir(exist_ok=True)
        (target / "data").mkdir()
        for path, text in files.items():
            with open(target / path, "x", encoding="utf-8", newline="\n") as file:
                file.write(text)
    except OSError as error:
        why = error.strerror or error
        raise InputError(
            f"the study folder {name!r} cannot be made: {why}", remedy="work in a folder that you may write to"
        ) from None
    return target


def check_name(name: str) -> None:
    """Refuse what is no plain name of one folder, on this machine or on another to which the study may be sent."""
    ill = sorted({c for c in name if c in _FORBIDDEN})
    unseen = sorted({f"U+{ord(c):04X}" for c in name if unicodedata.category(c)[0] in "CZ" and c not in " \u3000"})
    fault = ""
    if not name.strip():
        fault = "is empty"
    elif ill:
        fault = f"holds {' '.join(ill)}"
    elif unseen:
        fault = f"holds characters that cannot be seen ({', '.join(unseen)})"
    elif name[0] in ".-~" or name != name.strip() or name.endswith("."):
        fault = "begins with a dot, a dash, a tilde or a space, or ends with a dot or a space"
    elif name.partition(".")[0].strip().lower() in _DEVICES:
        fault = "is the name of a device on Windows"
    elif len(name.encode()) > _BYTES:
        fault = f"has {len(name.encode())} bytes, more than {_BYTES}"
    if fault:
        shown = name if name.isprintable() and len(name) <= 80 else "given"
        raise InputError(
            f"the name {shown!r} {fault}",
            remedy='name one folder, to be made here, for example gmvcausal new "Spring coupon"',
        )


def next_steps(name: str, language: str) -> str:
    """What to do with the folder, in three lines."""
    quoted = f'"{name}"' if os.name == "nt" else shlex.quote(name)
    folder = name if re.fullmatch(r"[\w.-]+", name) else quoted
    return _text(language, "next.txt").replace("@FOLDER@", folder).rstrip("\n")


def _files(name: str, language: str) -> dict[str, str]:
    """Every file of the folder, by its path within it."""
    from gmvcausal.study.made import tables

    # JSON writes a string as TOML and Python do: the name holds no control characters. One pass, as it may hold a mark.
    marks = {"@NAME@": name, "@QUOTED@": json.dumps(name, ensure_ascii=False)}
    found = {
        path: re.sub("@NAME@|@QUOTED@", lambda mark: marks[mark[0]], _text(language, text))
        for path, text in _TEXTS.items()
    }
    found["notebook.ipynb"] = notebook(found["notebook.py"])
    for table, frame in tables().items():
        found[f"data/{table}.csv"] = frame.to_csv(index=False, lineterminator="\n")
    return found


def _text(language: str, name: str) -> str:
    return resources.files("gmvcausal.study").joinpath("kit", language, name).read_text(encoding="utf-8")


def notebook(script: str) -> str:
    """The notebook that a percent script is, as JSON without outputs.

    Examples
    --------
    >>> cells = json.loads(notebook("# %% [markdown]\\n# Hello\\n\\n# %%\\n1 + 1\\n"))["cells"]
    >>> [(cell["cell_type"], cell["source"]) for cell in cells]
    [('markdown', ['Hello']), ('code', ['1 + 1'])]
    """
    cells = []
    for number, part in enumerate(f"\n{script}".split("\n# %%")[1:]):
        head, _, body = part.partition("\n")
        text = head.strip() == "[markdown]"
        lines = body.strip("\n").split("\n")
        if text:
            lines = [line.removeprefix("#").removeprefix(" ") for line in lines]
        source = [line + "\n" for line in lines[:-1]] + lines[-1:]
        cell: dict[str, object] = {
            "cell_type": "markdown" if text else "code",
            "id": f"cell-{number}",
            "metadata": {},
            "source": source,
        }
        cells.append(cell if text else {**cell, "execution_count": None, "outputs": []})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    page = {"cells": cells, "metadata": {**_PAIRED, "kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(page, ensure_ascii=False, indent=1) + "\n"
