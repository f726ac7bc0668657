"""Causal graphs: reading them, d-separation against every path and networkx, what identifies, what they imply."""

from __future__ import annotations

import logging
import random
import subprocess
import sys
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import networkx as nx
import numpy as np
import pytest

import gmvcausal as gc
from gmvcausal.observational.graphs.dot import read_dot
from gmvcausal.observational.graphs.frontdoor import front_door
from gmvcausal.observational.graphs.identify import Instrument, identify, is_front_door
from gmvcausal.observational.graphs.implied import contradicted, graph_check, implied_pairs
from gmvcausal.observational.graphs.plan import plan
from gmvcausal.observational.graphs.read import read_graph
from gmvcausal.observational.graphs.separate import Graph

COLUMNS = ["t", "y", "x", "z", "m", "k", "c", "w", "age", "会员 等级", 'say "hi"', "a'b"]


# --- reading ---------------------------------------------------------------------------------------------------------

FORMS: list[Any] = [
    [("x", "t"), ("x", "y"), ("t", "y")],
    (["x", "t"], ["x", "y"], ["t", "y"]),
    {"x": ["t", "y"], "t": "y"},
    "digraph { x -> t -> y; x -> y }",
    'strict digraph "a title" {\n rankdir=LR; node [shape=box] // words\n x -> {t y} [color="red"] t -> y /* end */ }',
    "dag { y <- t; t <- x; y <- x }",
    "digraph { subgraph s { x } -> t; edge [dir=none]; y -> x [dir=back]; t -> y }",
    nx.DiGraph([("x", "t"), ("x", "y"), ("t", "y")]),
]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_says_the_same(form: Any) -> None:
    found, notes = read_graph(form, COLUMNS, "t", "y")
    assert set(found.edges) == {("x", "t"), ("x", "y"), ("t", "y")} and set(found.nodes) == {"x", "t", "y"}
    assert not found.hidden and notes == ()


def test_any_name_is_a_name() -> None:
    names = ["会员 等级", 'say "hi"', "a'b", "__import__('os').system('false')", "select * from t; --"]
    edges = [(n, e) for n in names for e in ("t", "y")] + [("t", "y")]
    text = "digraph {" + "; ".join("{} -> {}".format(*(f'"{n}"'.replace('"hi"', '\\"hi\\"') for n in e)) for e in edges)
    by_text, _ = read_graph(text + "}", [*COLUMNS, *names], "t", "y")
    assert set(by_text.edges) == set(edges)
    assert plan(edges, [*COLUMNS, *names], "t", "y").covariates == tuple(sorted(names))
    assert read_dot("digraph { 会员 -> _x1 -> 7 -> -1.5 }").arrows == [("会员", "_x1"), ("_x1", "7"), ("7", "-1.5")]


def test_unseen_nodes_are_said() -> None:
    found, notes = read_graph("digraph { U -> {t y}; t -> y; z [observed=no]; z -> y }", COLUMNS, "t", "y")
    assert found.hidden == {"U", "z"}
    assert notes == (
        "of the graph 'U' is no column and counts as not observed",
        "of the graph 'z' is a column, and is marked as not observed",
    )
    both, _ = read_graph("dag { t <-> y; t -> y; x [latent]; x -> y }", COLUMNS, "t", "y")
    assert both.hidden == {"x", "something behind t and y"} and ("something behind t and y", "t") in both.edges
    drawn = nx.DiGraph([("t", "y"), ("z", "y")])
    drawn.nodes["z"]["observed"] = "no"
    assert read_graph(drawn, COLUMNS, "t", "y")[0].hidden == {"z"}


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ([("t", "y"), ("y", "x"), ("x", "t")], "has a cycle, and nothing causes itself: "),
        ([("t", "y"), ("x", "x")], "has a cycle, and nothing causes itself: x -> x"),
        ([("x", "y")], "no node 't', which is treatment="),
        ([("t", "x")], "no node 'y', which is outcome="),
        ([("t", "y"), ("agee", "y")], "a node 'agee', which is no column of the data but resembles one.*'age'"),
        ("digraph { t -> y; t [observed=no] }", "marks 't' as not observed, and it is treatment="),
        ([("y", "t")], "no directed path from 't' to 'y'"),
        ([], "has no edges"),
        ("digraph { }", "has no edges"),
        ([("t", "y", "x")], "no pair of cause and effect"),
        (["ty"], "no pair of cause and effect"),
        ([("t", 1)], "a node 1, and nodes are called by the names of columns"),
        ({"t": 3}, "causes 3, which is no list of names"),
        (3, "graph= is 3"),
        (nx.Graph([("t", "y")]), "without directions"),
        ("t -> y", r"does not begin with digraph \{ \(line 1, character 1\)"),
        ("graph { t -- y }", "without direction"),
        ("digraph {\n t -- y }", r"without direction.*line 2, character 4"),
        ("digraph { t -> y", "lacks its closing brace"),
        ("digraph { t -> }", "lacks the name of a node"),
        ("digraph { t -> y } x", "goes on after"),
        ("digraph { t:n -> y }", "a port"),
        ("digraph { t -> y [a", "breaks off"),
        ("digraph { <b>t</b> -> y }", "which DOT has no use for"),
        ([(f"n{i}", "y") for i in range(600)] + [("t", "y")], "602 nodes, and at most 500"),
    ],
)
def test_what_is_no_graph_is_refused(bad: Any, told: str) -> None:
    with pytest.raises(gc.InputError, match=told):
        plan(bad, COLUMNS, "t", "y")


# --- d-separation and identification, beside every path ---------------------------------------------------------------


def _apart(g: Graph, one: str, other: str, given: set[str]) -> bool:
    """By the definition: every path is closed (Pearl 1988)."""
    lines = nx.Graph()
    lines.add_nodes_from(g.nodes)
    lines.add_edges_from(g.edges)
    arrows, told = set(g.edges), g.before(given)
    for path in nx.all_simple_paths(lines, one, other):
        meets = [((a, b) in arrows and (c, b) in arrows, b) for a, b, c in zip(path, path[1:], path[2:], strict=False)]
        if all(b in told if collider else b not in given for collider, b in meets):
            return False
    return True


def _random_graphs(count: int) -> Iterator[Graph]:
    rng = random.Random(5)
    for _ in range(count):
        names = [f"n{k}" for k in range(rng.randint(3, 7))]
        order = rng.sample(names, len(names))
        share = rng.choice((0.3, 0.5))
        edges = tuple(pair for pair in combinations(order, 2) if rng.random() < share)
        yield Graph(tuple(names), edges, frozenset(n for n in names[2:] if rng.random() < 0.35))


def test_separation_as_by_every_path_and_by_networkx() -> None:
    rng = random.Random(1)
    answers = []
    for g in _random_graphs(60):
        theirs = nx.DiGraph(g.edges)
        theirs.add_nodes_from(g.nodes)
        for one, other in combinations(g.nodes, 2):
            given = {n for n in g.nodes if n not in (one, other) and rng.random() < 0.4}
            found = g.separated(one, other, given)
            assert found == _apart(g, one, other, given) == nx.is_d_separator(theirs, {one}, {other}, given)
            answers.append(found)
    assert 0.2 < np.mean(answers) < 0.8


def _slack(g: Graph, weights: np.ndarray[Any, Any], given: tuple[str, ...]) -> float:
    """Variance of the least-squares effect in a linear model of the graph: what is left of y over what is left of t."""
    n = len(g.nodes)
    root = np.linalg.inv(np.eye(n) - weights)
    cov = root @ root.T
    at = [g.nodes.index(v) for v in given]

    def left(v: str, beside: list[int]) -> float:
        k = g.nodes.index(v)
        part = cov[np.ix_(beside, beside)]
        return float(cov[k, k] - cov[k, beside] @ np.linalg.solve(part, cov[beside, k])) if beside else float(cov[k, k])

    return left("n1", [0, *at]) / left("n0", at)


def test_identification_beside_every_set() -> None:
    """Valid, smallest, and of least variance among the sets of causes; front doors and the unseen as by trying all."""
    seen = {"sets": 0, "none": 0, "doors": 0, "instruments": 0}
    rng = np.random.default_rng(2)
    doors = [
        Graph(("n0", "n1", "m", "u"), (("n0", "m"), ("m", "n1"), ("u", "n0"), ("u", "n1")), frozenset("u")),
        Graph(
            ("n0", "n1", "m", "l", "u"),
            (("n0", "m"), ("n0", "l"), ("l", "n1"), ("m", "n1"), ("u", "n0"), ("u", "n1")), frozenset("u"),
        ),
    ]  # fmt: skip
    for g in [*doors, *_random_graphs(600)]:
        if "n1" not in g.after(["n0"]):
            continue
        found = identify(g, "n0", "n1")
        cut = g.cut_from(["n0"])
        may = sorted(set(g.nodes) - g.hidden - g.after(["n0"]))
        every = [set(s) for size in range(len(may) + 1) for s in combinations(may, size)]
        valid = [s for s in every if _apart(cut, "n0", "n1", s)]
        seen["instruments"] += bool(found.instruments)
        for i in found.instruments:
            assert _apart(cut, i.name, "n1", set(i.given)) and not _apart(g, i.name, "n0", set(i.given))
        if valid:
            seen["sets"] += 1
            assert found.minimal is not None and found.efficient is not None
            assert set(found.minimal) in valid and len(found.minimal) == min(map(len, valid))
            weights = np.zeros((len(g.nodes), len(g.nodes)))
            for a, b in g.edges:
                weights[g.nodes.index(b), g.nodes.index(a)] = rng.normal()
            least = _slack(g, weights, found.efficient)
            causes = g.before(["n0", "n1"])
            assert all(least <= _slack(g, weights, tuple(s)) + 1e-9 for s in valid if s <= causes)
            continue
        seen["none"] += 1
        assert found.left_open and set(found.wanted) <= g.hidden
        more = sorted({*may, *found.wanted})
        assert any(
            _apart(cut, "n0", "n1", set(s)) for size in range(len(more) + 1) for s in combinations(more, size)
        )  # fmt: skip
        later = sorted((g.after(["n0"]) - {"n0", "n1"}) - g.hidden)
        sets = [set(s) for size in range(1, len(later) + 1) for s in combinations(later, size)]
        good = [s for s in sets if is_front_door(g, "n0", "n1", s)]
        assert bool(good) == bool(found.frontdoor)
        seen["doors"] += bool(good)
    assert min(seen.values()) >= 2, seen


def test_dense_graphs_and_odd_names_do_no_harm() -> None:
    """Where dowhy would walk along more paths than there is time for, or glue quotes to names."""
    names = [f"{k}' ''" for k in range(40)]
    found = identify(Graph(tuple(names), tuple(combinations(names, 2))), names[25], names[39])
    assert found.efficient == tuple(sorted(names[:25])) == found.minimal
    twice = Graph(tuple("tymkx"), (("t", "m"), ("m", "y"), ("m", "k"), ("k", "y"), ("x", "t"), ("x", "y")))
    assert identify(twice, "t", "y").efficient == ("x",)


def test_dowhy_is_kept_quiet_and_leaves_no_trace(caplog: pytest.LogCaptureFixture) -> None:
    before = (np.random.get_state()[1].copy(), random.getstate())  # noqa: NPY002  # what must not change
    with caplog.at_level(logging.DEBUG):
        identify(Graph(("t", "y", "u"), (("t", "y"), ("u", "t"), ("u", "y")), frozenset("u")), "t", "y")
    assert not caplog.records
    assert (before[0] == np.random.get_state()[1]).all() and before[1] == random.getstate()  # noqa: NPY002  # as above


# --- what is done ----------------------------------------------------------------------------------------------------


def test_the_set_and_its_words() -> None:
    found = plan("digraph { {tier region} -> {coupon gmv}; coupon -> gmv; season -> gmv; lot -> coupon }",
                 ["tier", "region", "coupon", "gmv", "season", "lot"], "coupon", "gmv")  # fmt: skip
    assert found.covariates == ("region", "season", "tier") and found.found.minimal == ("region", "tier")
    assert found.assumption == (
        "given region, season and tier, nothing else moves both coupon and gmv, as the graph says"
    )
    assert "region and tier would close every back-door path too" in found.reasons[0]
    assert found.found.instruments == (Instrument("lot"),) or found.found.instruments == ()
    assert plan([("t", "y")], COLUMNS, "t", "y").covariates == ()
    given = plan("digraph { x -> {t y}; k -> y; t -> y }", COLUMNS, "t", "y", ["x"])
    assert given.covariates == ("x",) and "k and x would leave the least variance" in given.reasons[0]


@pytest.mark.parametrize(
    ("graph", "covariates", "told"),
    [
        ("digraph { x -> {t y}; t -> m -> y }", ["x", "m"], r"'m', which the treatment moves.*\(t -> m\).*a bad contr"),
        ("digraph { x -> {t y}; t -> y -> k }", ["x", "k"], r"'k', which the treatment moves.*\(t -> y -> k\)"),
        ("dag { t <-> c c <-> y t -> y }", ["c"], r"'c', in which arrows meet by the graph \(a collider\)"),
        ("digraph { x -> {t y}; t -> y; k -> y }", ["k"], r"open: t <- x -> y. Add x, or"),
        ("digraph { x -> {t y}; t -> y }", ["w"], "'w', of which graph= says nothing"),
        ("digraph { x -> {t y}; t -> y; x [observed=no] }", ["x"], "'x', which graph= marks as not observed"),
    ],
)
def test_covariates_that_the_graph_forbids(graph: str, covariates: list[str], told: str) -> None:
    with pytest.raises(gc.InputError, match=told):
        plan(graph, COLUMNS, "t", "y", covariates)


def test_where_no_set_is_valid() -> None:
    door = plan("digraph { U -> {t y}; t -> m -> y }", COLUMNS, "t", "y")
    assert (door.way, door.mediators, door.covariates) == ("frontdoor", ("m",), ())
    assert "passes through m" in door.assumption and "along a line" in door.assumption
    with pytest.raises(gc.DesignError, match=r"t <- U -> y, but 'z' is an instrument. Call gc.iv\(.*instrument='z'\)"):
        plan("digraph { U -> {t y}; t -> y; z -> t }", COLUMNS, "t", "y")
    with pytest.raises(gc.DesignError, match=r"instrument='z', covariates=\['w'\]\)"):
        plan("digraph { U -> {t y}; t -> y; w -> {z y}; z -> t }", COLUMNS, "t", "y")
    with pytest.raises(gc.DesignError, match=r"closes the path t <- U -> y, and there is neither.*Observe U\."):
        plan("digraph { U -> {t y}; t -> y }", COLUMNS, "t", "y")
    with pytest.raises(gc.DesignError, match="through the front door, m"):
        plan("digraph { U -> {t y}; t -> m -> y; z -> t }", COLUMNS, "t", "y", ["z"])


# --- what it implies -------------------------------------------------------------------------------------------------


def test_implied_pairs_by_hand_and_by_every_path() -> None:
    g = Graph(("a", "t", "y", "s"), (("a", "t"), ("a", "y"), ("t", "y"), ("t", "s")))
    assert implied_pairs(g, set(g.nodes)) == [("a", "s", ("t",)), ("s", "y", ("t",))]
    for g in _random_graphs(40):
        seen = set(g.nodes) - g.hidden
        found = {(a, b): set(given) for a, b, given in implied_pairs(g, seen)}
        for a, b in combinations(sorted(seen), 2):
            rest = sorted(seen - {a, b})
            every = [set(s) for size in range(len(rest) + 1) for s in combinations(rest, size)]
            assert ((a, b) in found) == any(_apart(g, a, b, s) for s in every)
            if (a, b) in found:
                assert _apart(g, a, b, found[a, b])


def _columns(rng: np.random.Generator, n: int, extra: float) -> dict[str, Any]:
    a, b, c = np.exp(rng.normal(size=n) / 2), *rng.normal(size=(2, n))
    t = (rng.random(n) < 1 / (1 + np.exp(1 - a - b))).astype(float)
    y = (a**1.5 + t + c + extra * b + rng.normal(size=n)) * (1 + a)
    return {k: v[:, None] for k, v in {"a": a, "b": b, "c": c, "t": t, "y": y}.items()}


def test_a_right_graph_passes_and_a_wrong_one_fails() -> None:
    """Curved and with unequal variances: alarms over 300 right graphs, at 1 % to be expected at most."""
    g = Graph(tuple("abcty"), (("a", "t"), ("b", "t"), ("a", "y"), ("t", "y"), ("c", "y")))
    rng = np.random.default_rng(8)
    right = [graph_check(contradicted(g, _columns(rng, 300, 0))).status for _ in range(300)]
    assert np.mean([s != "passed" for s in right]) < 0.01 + 2.6 * np.sqrt(0.01 * 0.99 / 300)
    check = graph_check(contradicted(g, _columns(rng, 2000, 0.5)))
    assert check.status == "failed" and "'b' and 'y' unrelated given a and t" in check.message
    assert "something unseen between 'b' and 'y'" in check.remedy
    full = Graph(("t", "y"), (("t", "y"),))
    cols = _columns(rng, 50, 0)
    assert graph_check(contradicted(full, {k: cols[k] for k in "ty"})).status == "not_run"
    rows = np.repeat(np.arange(100), 3)
    copied = {k: v[rows] for k, v in _columns(rng, 100, 0).items()}
    alone, told = (contradicted(g, copied, c)[0].p_value for c in (None, rows))
    assert alone < told


def test_front_door_by_hand_and_beside_least_squares() -> None:
    """Mean of m is 0.5 without and 1.5 with t; y = 5 + 2 t + 3 m: the effect through m is 1 x 3."""
    d = np.repeat([0.0, 1.0], 4)
    m = np.array([0.0, 1, 0, 1, 1, 2, 1, 2])[:, None]
    found = front_door(5 + 2 * d + 3 * m[:, 0], d, m)
    assert found.estimate == pytest.approx(3, abs=1e-10) and found.moved == pytest.approx([1.0])
    rng = np.random.default_rng(3)
    n = 500
    d = (rng.random(n) < 0.4).astype(float)
    m = np.column_stack([d + rng.normal(size=n), 1e6 * (d + rng.exponential(size=n))])
    y = 1e7 + d + m @ [2.0, 3e-6] + d * m[:, 0] + rng.normal(size=n)

    def by_hand(w: np.ndarray[Any, Any]) -> float:
        share = np.average(d, weights=w)
        x = np.column_stack([np.ones(n), d, m, d[:, None] * m])
        root = np.sqrt(w)[:, None]
        b = np.linalg.lstsq(x * root, (y - 1e7) * root[:, 0], rcond=1e-15)[0]
        gap = np.average(m[d == 1], weights=w[d == 1], axis=0) - np.average(m[d == 0], weights=w[d == 0], axis=0)
        return float(gap @ (b[2:4] + share * b[4:6]))

    found = front_door(y, d, m)
    assert found.estimate == pytest.approx(by_hand(np.ones(n)), rel=1e-8)
    for i in (0, 7, 499):  # influences are the derivatives by the rows' weights
        step = np.zeros(n)
        step[i] = 1e-4
        slope = (by_hand(np.ones(n) + step) - by_hand(np.ones(n) - step)) / 2e-4
        assert found.influence[i] == pytest.approx(slope, rel=1e-4, abs=1e-8)


def test_dowhy_does_not_change_how_a_session_prints() -> None:
    """Importing it calls sympy's init_printing, after which ('tier',) prints as (tier,)."""
    code = (
        "import sys, sympy; own = sys.displayhook, sympy.init_printing\n"
        "from gmvcausal.observational.graphs.separate import Graph\n"
        "from gmvcausal.observational.graphs.identify import identify\n"
        "print(identify(Graph(('t', 'y'), (('t', 'y'),)), 't', 'y').efficient)\n"
        "assert own[:2] == (sys.displayhook, sympy.init_printing) and 'dowhy' in sys.modules"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "()\n", "")
