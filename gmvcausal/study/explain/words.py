"""A plan as text."""

from __future__ import annotations

from collections.abc import Iterator

from gmvcausal.study.explain.plan import Pass, Plan, Source, Step


def text(plan: Plan) -> str:
    """The whole plan, for the eye."""
    return "\n".join(
        [
            f"Plan of {plan.title!r}. Nothing was run: {_read(plan)}.",
            "",
            *(_source(plan, source) for source in plan.sources.values()),
            *(line for k, step in enumerate(plan.steps, 1) for line in _step(plan, k, step)),
            "",
            *_total(plan),
        ]
    )


def size(n: float) -> str:
    """Bytes in words.

    Examples
    --------
    >>> size(0), size(812), size(2_400_000), size(31e9)
    ('0 B', '812 B', '2.4 MB', '31 GB')
    """
    for unit, each in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n >= each:
            return f"{n / each:.2g} {unit}" if n / each < 10 else f"{n / each:,.0f} {unit}"
    return f"{n:.0f} B"


def seconds(n: float) -> str:
    """Processor time in words.

    Examples
    --------
    >>> seconds(0.2), seconds(34), seconds(200), seconds(20_000)
    ('under 1 s', 'about 34 s', 'about 3.3 min', 'about 5.6 h')
    """
    if n < 1:
        return "under 1 s"
    for unit, each in (("h", 3600), ("min", 60)):
        if n >= 2 * each:
            return f"about {n / each:.2g} {unit}" if n / each < 10 else f"about {n / each:,.0f} {unit}"
    return f"about {n:.0f} s"


def _read(plan: Plan) -> str:
    files = sum(source.files for source in plan.sources.values() if source.kind == "parquet")
    kinds = {source.kind for source in plan.sources.values()}
    found = [f"the footers of {_many(files, 'parquet file')} were read"] if files else []
    found += ["the first lines of each CSV were read"] if "csv" in kinds else []
    found += ["the data set of the library was opened"] if "memory" in kinds else []
    rows = plan.rates.measured
    found += [f"{rows:,} rows were hashed to time this machine"] if rows else []
    return "; ".join(found)


def _many(n: int, word: str, ending: str = "s") -> str:
    return f"{n:,} {word}{'' if n == 1 else ending}"


def _source(plan: Plan, source: Source) -> str:
    name = source.name if source.name == source.path else f"{source.name} ({source.path})"
    if source.kind == "csv":
        return f"{name}: CSV of {size(source.size)}, about {source.rows:,} rows, loaded whole"
    if source.kind == "memory":
        return f"{name}: {source.rows:,} rows, loaded whole"
    every = [one for step in plan.steps for one in step.passes if one.source == source.name]
    used = [c for c in source.columns if any(c in one.columns for one in every)]
    stored = sum(source.stored.get(c, 0) for c in used)
    return (
        f"{name}: {_many(source.files, 'file')}, {source.rows:,} rows in {_many(source.row_groups, 'row group')}, "
        f"{size(source.size)}; used: {', '.join(used) or 'nothing'} ({size(stored)} as stored)"
    )


def _step(plan: Plan, number: int, step: Step) -> Iterator[str]:
    yield ""
    yield f"{number}. {step.title}"
    told: dict[tuple[str, str, tuple[str, ...]], list[Pass]] = {}
    for one in step.passes:
        told.setdefault((one.source, one.why, one.columns), []).append(one)
    for (source, why, columns), every in told.items():
        times = f" (x{len(every)})" if len(every) > 1 else ""
        read = sum(map(plan.bytes_of, every))
        yield f"   {why}{times}: {', '.join(columns)} of {source}" + (f", {size(read)}" if read else "")
    for one in step.maybe:
        yield f"   perhaps {one.why}: {', '.join(one.columns)} of {one.source}"
    if step.counts:
        yield "   comes out: " + "; ".join(f"{c.how} {c.n:,} {c.what}" for c in step.counts)
    if step.loaded:
        yield f"   rows are read into memory: about {size(step.loaded)}, {size(step.memory)} with what is made of them"
    elif step.memory and not step.refusal:
        yield f"   holds at most about {size(step.memory)}"
    if step.spill:
        yield f"   temporary files: up to about {size(step.spill)}"
    for note in step.notes:
        yield f"   {note}"
    if step.refusal:
        yield f"   THE STUDY STOPS HERE: {step.refusal}"


def _total(plan: Plan) -> Iterator[str]:
    passes = ", ".join(f"{n:,} over {name}" for name, n in plan.passes.items() if n)
    every = _many(sum(plan.passes.values()), "pass", "es")
    yield f"In all: {every} ({passes or 'none'}), {size(plan.scanned)} read from files."
    limit = "" if plan.limit is None else f"; tables may take {size(plan.limit)}"
    yield f"Memory: at most about {size(plan.memory)}, of which {size(plan.buffers)} are the engine's buffers{limit}."
    rates = plan.rates
    whence = (
        f"the benchmarks' rates x {rates.factor:.2g}, measured here on {rates.measured:,} of your rows"
        if rates.measured
        else "the benchmarks' rates, on their machine, not on yours"
    )
    yield f"Time: {seconds(plan.seconds)} of processor time for the passes ({whence}); estimation comes on top."
    if plan.refusals:
        yield f"As it stands the study stops: {_many(len(plan.refusals), 'table')} will be refused."
