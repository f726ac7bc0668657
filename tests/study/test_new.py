"""A made study folder runs as it is, in either language and wherever it lies; nothing is ever written over."""

from __future__ import annotations

import ast
import json
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import docx
import pandas as pd
import pytest
from click.testing import CliRunner

import gmvcausal as gc
from gmvcausal.cli import cli
from gmvcausal.study.made import EXTRA_ORDERS, tables
from gmvcausal.study.new import check_name, make_study, next_steps, notebook

FILES = {
    "README.md", "study.toml", "notebook.py", "notebook.ipynb",
    "data/README.md", "data/orders.csv", "data/coupons.csv", "data/users.csv",
}  # fmt: skip


def held(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(params=["en", "zh"])
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def made(tmp_path: Path, language: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with spaces and Chinese characters, inside another such."""
    outer = tmp_path / "我的 论文"
    outer.mkdir()
    monkeypatch.chdir(outer)
    done = CliRunner().invoke(cli, ["new", "Spring 优惠券", "--language", language])
    assert done.exit_code == 0, done.output
    assert done.output.count("\n") == 3
    assert "'Spring 优惠券'" in done.output or '"Spring 优惠券"' in done.output
    return outer / "Spring 优惠券"


def test_the_study_and_the_notebook_run_as_they_are(made: Path, language: str, monkeypatch: pytest.MonkeyPatch):
    assert held(made) == FILES
    monkeypatch.chdir(made)
    names = runpy.run_path("notebook.py")
    assert {"report.html", "chapter.docx"} <= {path.name for path in Path("notebook-report").iterdir()}
    study = gc.run_study("study.toml", progress=False)
    assert study.headline.name == {"en": "Roll-out", "zh": "分批发放"}[language]
    assert names["rollout"].estimate == study.answers[study.headline.name].estimate
    low, high = names["rollout"].conf_int()
    assert low < EXTRA_ORDERS * names["logs"].panel(freq="W")["gmv"].sum() / len(tables()["orders"]) < high
    page = study.write("study-report")
    assert page.with_name("chapter.docx").stat().st_size > 20_000
    text = page.read_text(encoding="utf-8")
    assert f'<html lang="{language}' in text
    assert "Spring 优惠券" in text
    chapter = "".join(p.text for p in docx.Document(str(page.with_name("chapter.docx"))).paragraphs)
    assert ("表 4-1" in chapter) is (language == "zh")
    if language == "zh":  # what the study itself adds is Chinese too
        assert "同一设计对订单数的估计为" in chapter
        assert "分批发放：其他结果变量" in chapter
        assert not re.search(r"[A-Za-z]{3,} [a-z]{3,} [a-z]{3,}", study.summary())


def test_the_readme_tells_the_truth_of_the_data():
    truth = f"{EXTRA_ORDERS * tables()['orders']['amount'].mean():.1f}"
    made = tables()
    roles = {"user": "user_id", "time": "paid_at", "gmv": "amount", "order": "order_id", "tactic": "coupon_id"}
    logs = gc.Logs(orders=made["orders"], exposures=made["coupons"], columns={**roles, "start": "sent_at"})
    naive = f"{gc.did(logs.panel(freq='W'), estimator='naive').estimate:.1f}"
    for language in ("en", "zh"):
        kit = Path(sys.modules["gmvcausal.study.new"].__file__ or "").parent / "kit" / language
        readme = (kit / "README.md").read_text("utf-8")
        assert truth in readme and naive in readme


def test_both_languages_have_the_same_study_and_the_same_code(tmp_path: Path):
    folders = [make_study(language, tmp_path, language=language) for language in ("en", "zh")]
    read = [tomllib.loads((folder / "study.toml").read_text("utf-8")) for folder in folders]
    for study in read:
        del study["labels"]
        for key in ("title", "question", "currency", "language"):
            del study["study"][key]
        for answer in study["answer"]:
            del answer["name"]
    assert read[0] == read[1]

    class Blank(ast.NodeTransformer):
        def visit_Constant(self, node: ast.Constant) -> ast.Constant:
            return ast.Constant("") if isinstance(node.value, str) and not node.value.startswith("data/") else node

    codes = [ast.dump(Blank().visit(ast.parse((f / "notebook.py").read_text("utf-8")))) for f in folders]
    assert codes[0] == codes[1]
    orders = [(folder / "data" / "orders.csv").read_bytes() for folder in folders]
    assert orders[0] == orders[1]
    for folder in folders:
        dictionary = (folder / "data" / "README.md").read_text("utf-8")
        for path in (folder / "data").glob("*.csv"):
            for column in pd.read_csv(path, nrows=1).columns:
                assert f"| `{column}` |" in dictionary


def test_the_notebook_is_its_script(tmp_path: Path):
    jupytext = pytest.importorskip("jupytext")  # of the extra [dev]
    nbformat = pytest.importorskip("nbformat")  # of the extra [dev]
    folder = make_study("a", tmp_path)
    read = [jupytext.read(folder / name).cells for name in ("notebook.py", "notebook.ipynb")]
    script, paired = ([(cell.cell_type, cell.source) for cell in cells] for cells in read)
    assert script == paired
    nbformat.validate(nbformat.read(folder / "notebook.ipynb", as_version=4))
    assert json.loads(notebook("# %%\n1"))["cells"][0]["source"] == ["1"]


def test_titles_of_any_name_are_valid_everywhere(tmp_path: Path):
    name = "It's 50% of {x} & \U0001f600 @NAME@"
    folder = make_study(name, tmp_path)
    assert tomllib.loads((folder / "study.toml").read_text("utf-8"))["study"]["title"] == name
    assert name in [
        node.value for node in ast.walk(ast.parse((folder / "notebook.py").read_text("utf-8")))
        if isinstance(node, ast.Constant)
    ]  # fmt: skip
    assert next_steps("coupon", "en").count("\n") == 2
    assert "cd coupon " in next_steps("coupon", "en")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "is empty"), ("  ", "is empty"), ("a/b", "holds /"), ("a\\b", "holds \\"), ("what?", "holds ?"),
        ("..", "begins with a dot"), (".hidden", "begins with a dot"), ("-x", "a dash"), ("a ", "ends with"),
        ("~a", "a tilde"), ("a\nb", "cannot be seen"), ("a\u202eb", "U+202E"), ("a\u00a0b", "U+00A0"),
        ("a.", "ends with"), ("nul", "device"), ("Com1.txt", "device"), ("论" * 51, "has 153 bytes"),
        ("/abs", "holds /"), ("C:", "holds :"),
    ],
)  # fmt: skip
def test_names_that_are_no_folder_are_refused(tmp_path: Path, name: str, said: str):
    with pytest.raises(gc.InputError, match=re.escape(said)):
        make_study(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_names_with_spaces_and_any_script_are_taken():
    for name in ("Spring coupon 2026", "春季 优惠券", "a-b_c.d", "Ñandú", "全角\u3000空格", "console"):
        check_name(name)


def test_nothing_is_written_over(tmp_path: Path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "study.toml").write_text("mine", encoding="utf-8")
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "empty")
    with pytest.raises(gc.InputError, match="is not empty"):
        make_study("full", tmp_path)
    for name in ("file", "link"):
        with pytest.raises(gc.InputError, match="is no folder"):
            make_study(name, tmp_path)
    assert held(tmp_path) == {"full/study.toml", "file"}
    assert held(make_study("empty", tmp_path)) == FILES
    with pytest.raises(gc.InputError, match="is not empty"):
        make_study("empty", tmp_path)


def test_a_folder_that_cannot_be_made_is_said_to_be_so(tmp_path: Path):
    with pytest.raises(gc.InputError, match="cannot be made: No such file"):
        make_study("a", tmp_path / "gone")
    with pytest.raises(gc.InputError, match="language must be one of 'en', 'zh'"):
        make_study("a", tmp_path, language="fr")


def test_the_command_line_refuses_with_a_message_and_no_traceback(tmp_path: Path):
    done = subprocess.run(
        [sys.executable, "-m", "gmvcausal", "new", "a/b"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.startswith("gmvcausal: the name 'a/b' holds /.")
    assert "Traceback" not in done.stderr


def test_a_study_has_a_language_and_labels(tmp_path: Path):
    folder = make_study("a", tmp_path)
    path = folder / "study.toml"
    text = path.read_text("utf-8")
    for wrong, said in (
        (text.replace('language = "en"', 'language = "fr"'), "language must be one of 'en', 'zh'"),
        (text.replace("[labels]", "[labels]\ngmv = 1"), "labels must map names"),
    ):
        path.write_text(wrong, encoding="utf-8")
        with pytest.raises(gc.InputError, match=said):
            gc.run_study(path, progress=False)


def test_own_files_with_chinese_columns_run_and_gbk_is_named(tmp_path: Path):
    folder = make_study("我的", tmp_path, language="zh")
    names = {
        "order_id": "订单号",
        "user_id": "用户",
        "paid_at": "支付时间",
        "amount": "实付金额",
        "sent_at": "发放时间",
    }
    for path in (folder / "data").glob("*.csv"):
        pd.read_csv(path).rename(columns=names).to_csv(path, index=False, encoding="utf-8-sig")  # as Excel writes it
    study = folder / "study.toml"
    text = study.read_text("utf-8")
    for old, new in names.items():
        text = text.replace(f'"{old}"', f'"{new}"')
    study.write_text(text, encoding="utf-8")
    assert gc.run_study(study, progress=False).headline.name == "分批发放"
    orders = folder / "data" / "orders.csv"
    orders.write_bytes(orders.read_text("utf-8-sig").encode("gbk"))
    with pytest.raises(gc.InputError, match=r"'data/orders.csv' is not written in UTF-8.*GBK"):
        gc.run_study(study, progress=False)
