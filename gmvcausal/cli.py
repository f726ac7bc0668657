"""The command line: ``gmvcausal demo``, ``gmvcausal run STUDY.toml``, ``gmvcausal trust``.

Exit codes: 0 on an answer, 1 where a gate of ``trust`` fails, 2 on a bad input (the message, no traceback), 3 where the
audit refuses a headline and ``--strict`` was given.
"""

from __future__ import annotations

import sys
from importlib import resources
from pathlib import Path

import click

from gmvcausal import __version__
from gmvcausal.errors import GmvCausalError

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
@click.argument("study", type=click.Path(path_type=Path))
@_OUT
@_STRICT
@_QUIET
def run(study: Path, out: Path | None, strict: bool, quiet: bool) -> None:
    """Run the study file STUDY (TOML) and write its report."""
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


def _run(study: Path, out: Path, strict: bool, quiet: bool) -> None:
    from gmvcausal.study import run_study

    result = run_study(study, progress=not quiet)
    page = result.write(out)
    click.echo(result.summary())
    click.echo(f"Report: {page}")
    if strict and result.refused:
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
