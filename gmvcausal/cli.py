"""The command line: ``demo``, ``new NAME``, ``run STUDY.toml``, ``simulate --out DIR`` and ``trust``.

Exit codes: 0 on an answer, 1 where a gate of ``trust`` fails, 2 on a bad input (the message, no traceback), 3 where the
audit refuses a headline and ``--strict`` was given.
"""

from __future__ import annotations

import ast
import json
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import click

from gmvcausal import __version__
from gmvcausal.errors import GmvCausalError, InputError

_OUT = click.option(
    "--out", type=click.Path(path_type=Path), default=None, help="Folder for the report and the tables."
)
_STRICT = click.option("--strict", is_flag=True, help="Exit with 3 where no design passes its audit.")
_QUIET = click.option("--quiet", is_flag=True, help="No progress bar.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gmvcausal")
def cli() -> None:
    """How much GMV did this tactic cause, and is that answer to be trusted?"""


@cli.command()
@_OUT
@_STRICT
@_QUIET
def demo(out: Path | None, strict: bool, quiet: bool) -> None:
    """What 27 real coupon campaigns did to GMV, answered four ways."""
    with resources.as_file(resources.files("gmvcausal") / "studies" / "complete_journey.toml") as study:
        _run(study, out or Path("gmvcausal-demo"), strict, quiet)


@cli.command()
@click.argument("name")
@click.option(
    "--language",
    type=click.Choice(["en", "zh"]),
    default="en",
    show_default=True,
    help="Of the texts, the report and the chapter.",
)
def new(name: str, language: str) -> None:
    """Make the folder NAME: data with a dictionary, a study file and a notebook, which run as they are."""
    from gmvcausal.study.new import make_study, next_steps

    make_study(name, language=language)
    click.echo(next_steps(name, language))


@cli.command()
@click.argument("study", type=click.Path(path_type=Path))
@_OUT
@_STRICT
@_QUIET
@click.option("--explain", is_flag=True, help="Only say what would be scanned, held and refused; nothing is run.")
@click.option("--json", "as_json", is_flag=True, help="With --explain: the plan as JSON.")
def run(study: Path, out: Path | None, strict: bool, quiet: bool, explain: bool, as_json: bool) -> None:
    """Run the study file STUDY (TOML) and write its report."""
    if as_json and not explain:
        raise InputError("--json is the form of a plan, and no plan was asked for", remedy="write --explain --json")
    if explain:
        _explain(study, strict, as_json)
    else:
        _run(study, out or Path(study.stem + "-report"), strict, quiet)


@cli.command()
@click.option("--quick", is_flag=True, help="The plan that takes under three minutes on two cores.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("gmvcausal-out/trust"),
    show_default=True,
    help="Folder for one JSON per cell; what is there is not run again.",
)
@click.option("--workers", type=int, default=None, help="Processes; one per core by default.")
@click.option("--only", default="", help="Cells whose name holds this text or matches this pattern.")
@click.option("--reps", type=int, default=None, help="Replicates of every cell, in place of the plan's.")
@_QUIET
def trust(quick: bool, out: Path, workers: int | None, only: str, reps: int | None, quiet: bool) -> None:
    """Judge the estimators in simulated worlds; exit with 1 where a gate fails."""
    from gmvcausal.trust import chosen, run

    report = run(chosen(quick=quick, only=only, reps=reps), out=out, workers=workers, progress=not quiet)
    click.echo(report.summary())
    if report.failed:
        sys.exit(1)


@cli.command()
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for one parquet file per table.")
@click.option("--users", type=int, default=None, help="Users; 2,000 by default. With --world, its units.")
@click.option("--rooms", type=int, default=20, show_default=True, help="Rooms.")
@click.option("--days", type=int, default=60, show_default=True, help="Days of the log.")
@click.option("--tactics", default="coupon", show_default=True, help="Tactics, separated by commas.")
@click.option("--start", default="2026-03-02", show_default=True, help="First day of the log.")
@click.option("--seed", type=int, default=0, show_default=True, help="The same seed gives the same market.")
@click.option(
    "--dial",
    multiple=True,
    metavar="NAME=VALUE",
    help="Turn a dial, for example adopt=8,15; may be given several times.",
)
@click.option("--world", default=None, help="A named world (D1 to D18) in place of rooms, days and tactics.")
@click.option("--workers", type=int, default=1, show_default=True, help="Processes.")
@click.option("--truth/--no-truth", default=True, show_default=True, help="Whether to work out the truth.")
@_QUIET
@click.pass_context
def simulate(
    context: click.Context, out: Path, users: int | None, rooms: int, days: int, tactics: str, start: str, seed: int,
    dial: tuple[str, ...], world: str | None, workers: int, truth: bool, quiet: bool,
) -> None:  # fmt: skip
    """Simulate a livestream market whose true effects are known, and write it as parquet files."""
    from gmvcausal import simulate as market

    if world is not None:
        _refuse_ignored(context, world)
        dials = _dials(dial, {"n": "--users", "users": "--users", "seed": "--seed", "name": "--world"})
        paths = market.world(world, n=users, seed=seed, **dials).write(out)
    else:
        names = tuple(name.strip() for name in tactics.split(",") if name.strip())
        paths = market.write_livestream(
            out, users=2000 if users is None else users, rooms=rooms, days=days, tactics=names, start=start, seed=seed,
            workers=workers, truth=truth, progress=not quiet, **_dials(dial, _OPTIONS),
        )  # fmt: skip
    for path in paths:
        click.echo(path)


# What is asked for by an option of its own, and is no dial.
_OPTIONS = {
    **{name: f"--{name}" for name in ("users", "rooms", "days", "tactics", "start", "seed", "workers", "world")},
    "folder": "--out",
    "progress": "--quiet",
    "truth": "--no-truth",
}
_SWITCHES = ("--quiet", "--no-truth")


def _refuse_ignored(context: click.Context, world: str) -> None:
    """Refuse options that a named world has no use for, where they were given."""
    names = ("rooms", "days", "tactics", "start", "workers", "truth")
    source = click.core.ParameterSource.COMMANDLINE
    given = [_OPTIONS[name] for name in names if context.get_parameter_source(name) is source]
    if given:
        raise InputError(
            f"the world {world} takes no {', '.join(given)}",
            remedy="leave that out; a world is turned with --users (its units), --seed and --dial",
        )


def _dials(texts: tuple[str, ...], options: dict[str, str]) -> dict[str, Any]:
    """Dials as they are written on the command line: ``conversion=.05``, ``adopt=20,34``, ``targeting=lot``."""
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if name in options:
            option = options[name]
            remedy = f"write {option}" + ("" if option in _SWITCHES or not value else f" {value}")
            raise InputError(f"{name} is not a dial", remedy=remedy)
        if not equals or not value:
            raise InputError(f"--dial {text!r} gives no value", remedy="write --dial conversion=0.05")
        if name in found:
            raise InputError(f"--dial {name} is given twice", remedy="give it once")
        found[name] = _value(value)
    return found


def _value(text: str) -> Any:
    """A value in the notation of JSON or of Python; what is neither is text."""
    for read in (json.loads, ast.literal_eval, float):
        try:
            return read(text)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            continue
    return text


def _run(study: Path, out: Path, strict: bool, quiet: bool) -> None:
    from gmvcausal.study import run_study

    result = run_study(study, progress=not quiet)
    page = result.write(out)
    click.echo(result.summary())
    click.echo(f"{'报告：' if result.study.language == 'zh' else 'Report: '}{page}")
    if strict and result.refused:
        sys.exit(3)


def _explain(study: Path, strict: bool, as_json: bool) -> None:
    from gmvcausal.study.explain import explain_study
    from gmvcausal.study.explain.words import text

    plan = explain_study(study)
    click.echo(json.dumps(plan.to_dict(), indent=2, ensure_ascii=False) if as_json else text(plan))
    if strict and plan.refusals:
        sys.exit(3)


def main() -> None:
    """Entry point: errors of our own become one message and exit code 2."""
    try:
        cli(standalone_mode=False)
    except GmvCausalError as error:
        click.echo(f"gmvcausal: {error}", err=True)
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        sys.exit(130)
