"""A result in a file and back: a zip of JSON with the trees as text. Nothing in it is ever run."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import zipfile
import zlib
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from gmvcausal.errors import InputError
from gmvcausal.frames.features import Features
from gmvcausal.frames.params import said
from gmvcausal.frames.written import whole_file
from gmvcausal.results import Audit, Check, Estimates, Manifest
from gmvcausal.results.compliers import Accepted
from gmvcausal.stats.fraction import Fraction, Piece
from gmvcausal.stats.nuisance.chances import Chances
from gmvcausal.stats.nuisance.outcomes import Outcome
from gmvcausal.stats.small_sample import Spread
from gmvcausal.targeting.dose.result import DoseUplift
from gmvcausal.targeting.dose.saved import FORMAT as DOSE_FORMAT
from gmvcausal.targeting.dose.saved import from_dict as dose_from_dict
from gmvcausal.targeting.fit import Fit
from gmvcausal.targeting.intake.trial import Trial, asked_from, plain
from gmvcausal.targeting.large.draw import Sampled
from gmvcausal.targeting.learners.forest import Forest
from gmvcausal.targeting.learners.plug_in import Difference, Single
from gmvcausal.targeting.learners.pseudo import OneStage
from gmvcausal.targeting.policy.seen import Seen
from gmvcausal.targeting.redemption import Redemption
from gmvcausal.targeting.result import Extra, Uplift

_MEMBER, _DIGEST = "uplift.json", "sha256"
_FORMAT = "gmvcausal uplift 1"
_LARGEST = 4 * 2**30
_MODELS: dict[str, Any] = {"Difference": Difference, "Forest": Forest, "OneStage": OneStage, "Single": Single}


def save(m: Uplift, path: str | os.PathLike[str]) -> None:
    """Write a result; see `Uplift.save`."""
    write(_to_dict(m), path)


def write(values: dict[str, Any], path: str | os.PathLike[str]) -> None:
    """Write plain values with their digest."""
    text = json.dumps(values, ensure_ascii=True, allow_nan=True).encode()
    try:
        with whole_file(path) as beside, zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as file:
            # A fixed date: the same result makes the same file.
            for name, content in ((_MEMBER, text), (_DIGEST, hashlib.sha256(text).hexdigest().encode())):
                file.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    except OSError as error:
        raise InputError(
            f"cannot write {str(path)!r}: {error.strerror or error}", remedy="name a file in a folder that exists"
        ) from error


def dumps(m: Uplift) -> bytes:
    """A result as bytes, for other processes: as its file, without what tells whether rows are met again."""
    return zlib.compress(json.dumps({**_to_dict(m), "seen": ""}, ensure_ascii=True, allow_nan=True).encode())


def loads(content: bytes) -> Uplift:
    """What `dumps` made."""
    return _from_dict(json.loads(zlib.decompress(content)))


def load_uplift(path: str | os.PathLike[str]) -> Uplift | DoseUplift:
    """Read a result of `uplift` that `Uplift.save` has written.

    The file holds numbers and text alone, no pickled code; whatever else is in a file is refused, not run.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    Uplift, or DoseUplift
        As it was saved, with everything but the rows that were learned from: `predict`, `evaluate(test)`,
        `policy(data)` (of a dose `calibration(test)`), tables, summary and audit as they were.

    Raises
    ------
    InputError
        Not such a file, of another version, or changed since.

    Examples
    --------
    >>> import gmvcausal as gc, pandas as pd
    >>> users = pd.DataFrame({"coupon": [0, 1] * 50, "tier": [u // 2 % 2 for u in range(100)]})
    >>> users["gmv"] = 10 + 4.0 * users["coupon"] * users["tier"] + [u % 5 for u in range(100)]
    >>> m = gc.uplift(users, treatment="coupon", features=["tier"], propensity=0.5)
    >>> m.save("coupon.uplift")
    >>> bool((gc.load_uplift("coupon.uplift").predict(users) == m.predict(users)).all())
    True
    """
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"path must name a file, but is {said(path)}")
    try:
        with zipfile.ZipFile(path) as file:
            names = sorted(file.namelist())
            if names != sorted((_MEMBER, _DIGEST)) or any(i.file_size > _LARGEST for i in file.infolist()):
                raise _strange(path, "it holds other things")
            text, digest = file.read(_MEMBER), file.read(_DIGEST)
    except FileNotFoundError:
        raise InputError(f"there is no file {os.fspath(path)!r}", remedy="check the path") from None
    # zipfile's own words for a packing it cannot undo are NotImplementedError and, for a password, RuntimeError.
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError):
        raise _strange(path, "it is no zip file that can be read") from None
    if hashlib.sha256(text).hexdigest().encode() != digest:
        raise _strange(path, "its contents have changed since")
    try:
        found = json.loads(text)
        if found["format"] == DOSE_FORMAT:
            return dose_from_dict(found)
        if found["format"] != _FORMAT:
            raise _strange(path, f"its format is {str(found['format'])[:40]!r}")
        return _from_dict(found)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        if isinstance(error, InputError):
            raise
        raise _strange(path, "its contents do not fit together") from None


def _strange(path: Any, why: str) -> InputError:
    return InputError(
        f"{os.fspath(path)!r} is no file that m.save(path) of this version has written: {why}",
        remedy="save the result again; nothing in the file was run",
    )


def _to_dict(m: Uplift) -> dict[str, Any]:
    e, fit, t = m.estimates, m.fit, m.trial
    t_ = e.t
    model = None
    if fit.model is not None:
        model = {"kind": type(fit.model).__name__, **fit.model.to_dict()}
    return {
        "format": _FORMAT,
        "title": m.title,
        "assumption": m.assumption,
        "alpha": m.alpha,
        "advice": list(m.advice),
        "alike": list(m.alike),
        "estimates": {
            "term": list(e.term), "estimand": list(e.estimand), "unit": list(e.unit), "estimate": e.estimate.tolist(),
            "cov": e.cov.tolist(), "n": list(e.n), "df": t_.df.tolist(), "factor": t_.factor.tolist(),
            "withheld": e.withheld, "method": e.method,
            "compliers": [[k, asdict(v.effect), e.special_p[k]] for k, v in e.special.items() if type(v) is Accepted],
        },
        "extra": {k: list(v) for k, v in asdict(m.extra).items()},
        "checks": [asdict(c) for c in m.checks],
        "manifest": {**m.manifest.to_dict(), "choices": list(m.manifest.choices)},
        "asked": {k: plain(v) for k, v in asdict(m.asked).items()},
        "labels": list(t.labels),
        "features": t.features.to_dict(),
        "cluster_name": t.cluster_name,
        "facts": {k: v for k, v in t.facts.items() if k in ("unit", "outcome", "outcome_unit", "table")},
        "fit": {
            "kind": fit.kind,
            "learner": fit.learner,
            "centre": fit.centre.tolist(),
            "threads": fit.threads,
            "mean": np.asarray(fit.mu).mean(axis=0).tolist() if len(fit.mu) else [],
            "model": model,
            "outcomes": [o.to_dict() for o in fit.outcomes],
            "chances": None if fit.chances is None else fit.chances.to_dict(),
            "redemption": None if fit.redemption is None else fit.redemption.to_dict(),
        },
        "redeemed": m.redeemed,
        "sampled": None if m.sampled is None else asdict(m.sampled),
        "seen": base64.b64encode(m.seen.rows.tobytes()).decode(),
    }  # fmt: skip


def _sampled(found: dict[str, Any] | None) -> Sampled | None:
    if found is None:
        return None
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in found.items()}
    return Sampled(**values)


def _fraction(found: dict[str, Any]) -> Fraction:
    pieces = tuple(Piece(*map(float, p)) for p in found["pieces"])
    return Fraction(float(found["top"]), float(found["bottom"]), pieces)


def manifest_of(told: dict[str, Any]) -> Manifest:
    """The manifest of a result whose rows are not there."""
    manifest = Manifest(
        told["verb"], told["options"], told["seed"], int(told["data"]["rows"]), int(told["data"]["columns"]),
        told["dropped"], tuple(told["notes"]), choices=tuple(told["choices"]),
    )  # fmt: skip
    manifest.__dict__["data_sha256"] = str(told["data"]["sha256"])  # of the rows, which are not in the file
    manifest.__dict__["versions"] = dict(told["versions"])  # those that made the numbers
    return manifest


def _from_dict(found: dict[str, Any]) -> Uplift:
    asked = asked_from(found["asked"])
    features = Features.from_dict(found["features"])
    labels, own = tuple(found["labels"]), found["fit"]
    k = len(labels)
    manifest = manifest_of(found["manifest"])
    model = None
    if own["model"] is not None:
        model = _MODELS[own["model"]["kind"]].from_dict(own["model"])
    outcomes = tuple(Outcome.from_dict(o) for o in own["outcomes"])
    if isinstance(model, Difference) and own["model"]["outcomes"] == own["outcomes"]:
        model = replace(model, outcomes=outcomes)  # the same models, once
    chances = None if own["chances"] is None else Chances.from_dict(own["chances"])
    none, no_rows = np.empty((0, k)), np.empty(0, dtype=np.int64)
    no_x = np.empty((0, len(features.names)), dtype=np.float32)
    fit = Fit(
        np.empty(0, dtype=np.int64), none, np.array([own["mean"]]) if own["mean"] else none, str(own["kind"]),
        outcomes, chances, str(own["learner"]), model,
        np.array(own["centre"], dtype=float), np.empty((0, k - 1)), int(own["threads"]),
        redemption=None if own["redemption"] is None else Redemption.from_dict(own["redemption"]),
    )  # fmt: skip
    trial = Trial(
        np.empty(0), no_rows, labels, no_x, features, None, bool(chances is None), None, np.empty((0, k - 1)),
        float(asked.margin), str(found["cluster_name"]), no_rows, manifest.rows, manifest.columns,
        facts=dict(found["facts"]),
    )  # fmt: skip
    e = found["estimates"]
    estimates = Estimates(
        tuple(e["term"]), tuple(e["estimand"]), tuple(e["unit"]), np.array(e["estimate"], dtype=float),
        np.array(e["cov"], dtype=float), tuple(e["n"]),
        Spread(np.array(e["df"], dtype=float), np.array(e["factor"], dtype=float)), e["withheld"],
        {int(k): Accepted(_fraction(v)) for k, v, _ in e["compliers"]},
        {int(k): float(p) for k, _, p in e["compliers"]}, method=e["method"],
    )  # fmt: skip
    extra = Extra(**{name: tuple(v) for name, v in found["extra"].items()})
    m = Uplift(
        found["title"], found["assumption"], estimates, manifest, float(found["alpha"]),
        Audit(tuple(Check(**c) for c in found["checks"])), extra, asked, trial, fit, tuple(found["advice"]),
        tuple(found["alike"]), redeemed=found["redeemed"], sampled=_sampled(found.get("sampled")),
    )  # fmt: skip
    m.__dict__["seen"] = Seen("trained the model", np.frombuffer(base64.b64decode(found["seen"]), dtype=np.uint64))
    return m
