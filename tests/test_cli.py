"""The command line: what verbs write, and that whatever goes wrong is one line and exit code 2."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from packaging.version import Version

import skdiffusion
from skdiffusion._cli import main
from skdiffusion._cli.files import read_table, write_table

pd = pytest.importorskip("pandas")
pytest.importorskip("matplotlib")

N = 120
# pandas 2 reads dates to the nanosecond, as which those after 2262 are none, and stay text
LATE = "M" if Version(pd.__version__) >= Version("3") else "O"


class Harmful:
    def __reduce__(self):
        return open, ("harm", "w")


@pytest.fixture
def people():
    rng = np.random.default_rng(0)
    age = rng.integers(18, 80, N)
    frame = pd.DataFrame(
        {
            "age": age,
            "city": rng.choice(["Bonn", "Oslo", "Graz"], N),
            "risk": np.where(age + rng.normal(0, 20, N) > 60, "high", "low"),
            "amount": [f"{cell:.2f}" for cell in rng.lognormal(3, 1, N)],
            "code": rng.choice(["00123", "01234", "98765"], N),
            "day": pd.date_range("2024-01-01", periods=N).strftime("%Y-%m-%d"),
            "visits": pd.array(rng.poisson(2, N), dtype="Int64"),
            "smoker": rng.random(N) < 0.3,
        }
    )
    frame.loc[::7, "visits"] = pd.NA
    frame.loc[::11, "day"] = None
    return frame


@pytest.fixture
def path(people, tmp_path):
    path = tmp_path / "people.csv"
    people.to_csv(path, index=False)
    return path


@pytest.fixture
def refuse(capsys):
    """Run the command line where it must end in one line, and return that line."""

    def refused(*argv, status=2):
        with pytest.raises(SystemExit) as exit_:
            main([str(word) for word in argv])
        line = capsys.readouterr().err.strip()
        assert exit_.value.code == status
        assert line.count("\n") == 0
        assert "Traceback" not in line
        return line

    return refused


def run(*argv):
    """Run the command line, training for a moment."""
    verb, *rest = map(str, argv)
    training = [] if verb in ("detect", "report") else ["--quick"]
    assert main([verb, *rest, *training, "--quiet"]) == 0


def sampled(path, *options, name="new.csv", **reading):
    """Return the rows that are drawn from a table, as text."""
    new = path.parent / name
    run("sample", path, "-o", new, *options)
    return pd.read_csv(new, dtype=str, **reading)


def written(path, frame, *, encoding="utf-8", **options):
    path.write_bytes(frame.to_csv(index=False, **options).encode(encoding))
    return path


class TestSample:
    def test_same_columns_and_formats(self, path, people):
        new = sampled(path)
        assert list(new) == list(people)
        assert len(new) == N
        assert new["amount"].str.fullmatch(r"\d+\.\d\d").all()
        assert set(new["code"]) <= {"00123", "01234", "98765"}
        assert new["visits"].dropna().str.fullmatch(r"\d+").all()
        assert pd.to_datetime(new["day"].dropna(), format="%Y-%m-%d").dt.year.eq(2024).all()
        assert set(new["smoker"]) <= {"True", "False"}

    def test_gaps_are_drawn(self, path):
        new = sampled(path)
        assert 0 < new["visits"].isna().mean() < 0.5
        assert not new["age"].isna().any()

    def test_the_seed_decides(self, path):
        options = [["--seed", seed] for seed in (1, 1, 2)]
        first, same, other = (
            sampled(path, *option, name=f"{k}.csv") for k, option in enumerate(options)
        )
        assert first.equals(same)
        assert not first.equals(other)

    def test_dropped_columns(self, path, people):
        new = sampled(path, "--drop", "city", "day")
        assert list(new) == [name for name in people if name not in ("city", "day")]

    def test_model_file_and_conditions(self, path, tmp_path, refuse):
        model, new = tmp_path / "people.model", tmp_path / "new.csv"
        run("fit", path, "-o", model)
        where = ["city=Graz", "city=Oslo", "age=30..60", "day=2024-02-01..", "code=01234"]
        options = [word for text in where for word in ("--where", text)]
        run("sample", model, "-n", 25, "-o", new, *options)
        drawn = pd.read_csv(new, dtype={"code": str})
        assert len(drawn) == 25
        assert set(drawn["city"]) <= {"Graz", "Oslo"}
        assert drawn["age"].between(30, 60).all()
        assert (drawn["day"] >= "2024-02-01").all()
        assert (drawn["code"] == "01234").all()
        bad = ("sample", model, "-o", tmp_path / "x.csv", "--where")
        assert "COLUMN=VALUE" in refuse(*bad, "income=3")
        assert "COLUMN=VALUE" in refuse(*bad, "age")
        assert "age=old is no value or range" in refuse(*bad, "age=old")
        assert "holds whole numbers" in refuse(*bad, "age=20.5")
        assert "COLUMN=VALUE" in refuse(*bad, "age=")
        assert "Rome" in refuse(*bad, "city=Rome")

    def test_pickles_are_not_loaded(self, tmp_path, refuse):
        path = tmp_path / "other.model"
        for start in (b"", b"skdiffusion model 0.0.0\n"):
            path.write_bytes(start + pickle.dumps(Harmful()))
            line = refuse("sample", path, "-o", tmp_path / "new.csv")
            assert ("earlier command line" if start else "if you trust it") in line
        assert not Path("harm").exists()

    def test_a_model_that_was_changed(self, path, tmp_path, refuse):
        model = tmp_path / "people.model"
        run("fit", path, "-o", model)
        data = model.read_bytes()
        assert b"pickle" not in data
        model.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        assert "was changed" in refuse("sample", model, "-o", tmp_path / "new.csv")


class TestFilesAsTheyCome:
    @pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
    def test_separator_and_encoding(self, tmp_path, people, separator, encoding):
        people["city"] = people["city"].replace("Bonn", "Köln, Süd")
        options = {"sep": separator, "decimal": "," if separator == ";" else "."}
        people["amount"] = people["amount"].astype(float)
        path = written(tmp_path / "t.csv", people, encoding=encoding, **options)
        table = read_table(path)
        assert table.separator == separator
        assert table.frame["amount"].dtype == np.float64
        assert set(table.frame["city"]) == {"Köln, Süd", "Oslo", "Graz"}
        write_table(tmp_path / "new.csv", table.frame, table)
        assert (tmp_path / "new.csv").read_bytes() == path.read_bytes()

    @pytest.mark.parametrize("has_gaps", [False, True])
    @pytest.mark.parametrize(
        ("cells", "kind"),
        [
            (["00123", "04711", "99999"], "O"),
            (["-01", "12"], "O"),
            (["+431234", "+431235"], "O"),
            (["9007199254740993", "9007199254740995"], "O"),
            (["2023-01", "2023-02"], "O"),
            (["2024-02-30", "2024-01-01"], "O"),
            (["31.01.2024", "05.02.2024"], "M"),
            (["01/31/2024 08:15", "02/05/2024 17:30"], "M"),
            (["31-01-2024 08:15:30", "05-02-2024 17:30:00"], "M"),
            (["01/02/2024", "02/01/2024"], "O"),
            (["31.1.2024", "5.2.2024"], "O"),
            (["-", "+"], "O"),
            (["1/2/2024", "2/1/2024"], "O"),
            (["4111111111111111", "4111111111111112"], "O"),
            (["TRUE", "FALSE"], "O"),
            (["yes, sir", 'no "x"', "a;b", "two\nlines"], "O"),
            (["10:30", "23:59"], "O"),
            (["2024-01-31", "9999-12-31"], LATE),
            (["2024-01-31T08:15", "2024-02-05T17:30"], "M"),
            (["2024-01-31 08:15:00+01:00", "2024-02-05 17:30:20+01:00"], "M"),
            (["2024-01-31T08:15:00.25+00:00", "2024-02-05T17:30:20.50+00:00"], "M"),
            (["1.50", "2.25", "10.00"], "f"),
            (["1.5", "2.25", "10.0"], "f"),
            (["0.1234567890123456", "-2.5"], "f"),
            (["1e-05", "2.5e+20"], "f"),
            (["2.5", "3"], "f"),
            (["-3", "0", "12"], "i"),
        ],
    )
    def test_formats_are_kept(self, tmp_path, cells, kind, has_gaps):
        frame = pd.DataFrame({"cell": [*cells] * 9, "x": 1})
        if has_gaps:
            frame.loc[::5, "cell"] = None
        table = read_table(written(tmp_path / "t.csv", frame))
        assert table.frame["cell"].dtype.kind == kind
        write_table(tmp_path / "new.csv", table.frame, table)
        assert (tmp_path / "new.csv").read_text() == table.path.read_text()

    def test_several_zones_become_one(self, tmp_path):
        frame = pd.DataFrame({"cell": ["2024-01-31T08:15:00+01:00", "2024-01-31T08:15:00Z"]})
        table = read_table(written(tmp_path / "t.csv", frame))
        write_table(tmp_path / "new.csv", table.frame, table)
        new = pd.read_csv(tmp_path / "new.csv")["cell"].tolist()
        assert new == ["2024-01-31T07:15:00+00:00", "2024-01-31T08:15:00+00:00"]

    @pytest.mark.parametrize("token", ["", "NA", "NaN", "null", "?", "-", "..", " * "])
    def test_gaps(self, tmp_path, token):
        frame = pd.DataFrame({"k": np.arange(60) % 7, "x": np.arange(60) / 4}).astype(object)
        frame.loc[::4, "k"] = token
        new = sampled(written(tmp_path / "t.csv", frame))
        assert new["k"].dropna().str.fullmatch(r"[0-6]").all()
        assert new["k"].isna().any()

    def test_empty_column_and_single_columns(self, tmp_path, people):
        people["none"] = None
        assert sampled(written(tmp_path / "t.csv", people))["none"].isna().all()
        for name in ("city", "age", "amount", "day"):
            new = sampled(written(tmp_path / f"{name}.csv", people[[name]]), name=f"n_{name}.csv")
            assert list(new) == [name]

    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"", "No columns"),
            (b" \n\n", "No columns"),
            (b"a,b\n", "no rows"),
            (b"a,b\n1,2\n", "at least 2"),
            (b"a\n1\n1\n1\n", "constant"),
            (b"a,b\n1,2\n1,2,3\n", "Expected 2 fields"),
            (b"a,b\n1,2,3\n1,2,3\n", "longer"),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is no table of text"),
            (b"\xff\xfe\x00", "is no table of text"),
        ],
    )
    @pytest.mark.parametrize("verb", ["sample", "fit"])
    def test_of_no_use(self, tmp_path, refuse, verb, content, words):
        path = tmp_path / "t.csv"
        path.write_bytes(content)
        assert words in refuse(verb, path, "-o", tmp_path / "new.csv", "--quick", "--quiet")
        assert list(tmp_path.iterdir()) == [path]

    def test_no_file_and_a_folder(self, tmp_path, refuse):
        for path in (tmp_path / "none.csv", tmp_path):
            assert str(path) in refuse("sample", path, "-o", tmp_path / "new.csv")

    def test_parquet(self, tmp_path, people, path):
        pytest.importorskip("pyarrow")
        there, back = tmp_path / "new.parquet", tmp_path / "back.csv"
        run("sample", path, "-o", there)
        new = pd.read_parquet(there)
        assert new["age"].dtype == new["visits"].dtype == "Int64"
        assert new["day"].dtype.kind == "M"
        run("sample", there, "-o", back)
        assert list(pd.read_csv(back)) == list(people)

    def test_parquet_beside_csv(self, tmp_path, people, capsys):
        pytest.importorskip("pyarrow")
        days, amounts = pd.to_datetime(people["day"]), people["amount"].astype(float)
        people.assign(day=days, amount=amounts).to_parquet(tmp_path / "a.parquet")
        files = [tmp_path / "a.parquet", written(tmp_path / "b.csv", people)]
        for one, other in (files, files[::-1]):
            run("detect", one, "--train", other, "-o", tmp_path / "scored.csv", "--force")
            # rows that were all learned are normal ones
            assert (pd.read_csv(tmp_path / "scored.csv")["anomaly"] == "yes").mean() < 0.2

    def test_parquet_without_pyarrow(self, tmp_path, path, refuse, monkeypatch):
        from importlib.util import find_spec

        hidden = lambda name: None if name == "pyarrow" else find_spec(name)  # noqa: E731
        monkeypatch.setattr("skdiffusion._cli.commands.find_spec", hidden)
        assert "needs pyarrow" in refuse("sample", path, "-o", tmp_path / "new.parquet")
        path = path.rename(tmp_path / "people.parquet")
        assert "needs pyarrow" in refuse("sample", path, "-o", tmp_path / "new.csv")


class TestOutputs:
    @pytest.mark.parametrize(
        "argv",
        [
            ["fit"],
            ["sample"],
            ["report", "people.csv"],
            ["impute"],
            ["detect"],
            ["augment", "--target", "risk"],
        ],
    )
    def test_no_file_is_replaced_unasked(self, path, tmp_path, refuse, monkeypatch, argv):
        monkeypatch.chdir(tmp_path)
        # refused before anything is read or learned
        monkeypatch.setattr("skdiffusion._cli.verbs.read_table", None)
        before = path.read_bytes()
        line = refuse(argv[0], path, *argv[1:], "-o", path)
        assert "--force" in line
        assert path.read_bytes() == before

    def test_force(self, path):
        run("impute", path, "-o", path, "--force")
        assert not pd.read_csv(path).isna().any(axis=None)

    def test_folders(self, path, tmp_path, refuse):
        assert "exists" in refuse("sample", path, "-o", tmp_path, "--force")
        assert "is no folder" in refuse("sample", path, "-o", tmp_path / "none" / "new.csv")

    def test_nothing_half_written(self, path, tmp_path, refuse, monkeypatch):
        def fail(self, path, **options):
            Path(path).write_text("half")
            raise MemoryError

        monkeypatch.setattr(pd.DataFrame, "to_csv", fail)
        new = tmp_path / "new.csv"
        assert "MemoryError" in refuse("sample", path, "-o", new, "--quick", "--quiet")
        assert list(tmp_path.iterdir()) == [path]

    @pytest.mark.parametrize(
        ("error", "words"),
        [
            (RuntimeError("two\nlines"), "RuntimeError two lines"),
            (KeyError("x"), "KeyError 'x'"),
            (TypeError("a"), "error: a"),
            (AssertionError(), "AssertionError"),
        ],
    )
    def test_whatever_is_raised_is_one_line(
        self, path, tmp_path, refuse, monkeypatch, error, words
    ):
        def fail(*args, **kwargs):
            raise error

        monkeypatch.setattr("skdiffusion._cli.verbs.fit_sampler", fail)
        assert words in refuse("sample", path, "-o", tmp_path / "new.csv")

    def test_interrupts(self, path, tmp_path, refuse, monkeypatch):
        def interrupt(*args, **kwargs):
            raise KeyboardInterrupt

        monkeypatch.setattr("skdiffusion._cli.verbs.fit_sampler", interrupt)
        assert "interrupted" in refuse("sample", path, "-o", tmp_path / "new.csv", status=130)

    def test_usage(self, refuse, capsys):
        for argv in ([], ["sing"], ["sample", "x.csv"], ["fit", "x.csv", "-o", "y", "--seed", "a"]):
            assert "--help" in refuse(*argv)

    @pytest.mark.parametrize(
        "verb", ["fit", "sample", "report", "impute", "detect", "augment", "demo"]
    )
    def test_help_has_an_example(self, verb, capsys):
        with pytest.raises(SystemExit, match="0"):
            main([verb, "--help"])
        assert f"example: skdiffusion {verb} " in capsys.readouterr().out


class TestOtherVerbs:
    def test_impute_keeps_what_is_there(self, path, people, tmp_path):
        run("impute", path, "-o", tmp_path / "filled.csv")
        before, after = (pd.read_csv(p, dtype=str) for p in (path, tmp_path / "filled.csv"))
        assert after.where(before.notna()).equals(before)
        assert after["visits"].str.fullmatch(r"\d+").all()
        assert after["day"].str.fullmatch(r"2024-\d\d-\d\d").all()

    def test_impute_a_table_without_gaps(self, path, people, tmp_path, capsys):
        people.dropna().to_csv(path, index=False)
        assert main(["impute", str(path), "-o", str(tmp_path / "filled.csv")]) == 0
        assert "0 of 0 gaps" in capsys.readouterr().out
        assert (tmp_path / "filled.csv").read_bytes() == path.read_bytes()

    @pytest.mark.parametrize("seed", range(5))
    def test_detect(self, path, people, tmp_path, seed):
        row = np.random.default_rng(seed).integers(N)
        people["age"] = people["age"].astype(object)
        normal = people.drop(index=row)
        people.loc[row, "age"] = 999
        people.to_csv(path, index=False)
        normal.to_csv(tmp_path / "normal.csv", index=False)
        for options in ([], ["--train", tmp_path / "normal.csv"]):
            run("detect", path, "-o", tmp_path / "scored.csv", "--force", *options)
            before, scored = (pd.read_csv(p, dtype=str) for p in (path, tmp_path / "scored.csv"))
            assert scored[list(before)].equals(before)
            scores, pvalues = (scored[f"anomaly_{k}"].astype(float) for k in ("score", "pvalue"))
            assert scores.idxmax() == pvalues.idxmin() == row
            assert pvalues.between(0, 1, inclusive="right").all()
            assert scored["anomaly"][row] == "yes"
            assert (scored["anomaly"] == "yes").mean() < 0.2
            assert scored["anomaly_reason"][row].startswith("age 999")
        # of a row that was not learned it is known what it should be
        assert scored["anomaly_reason"][row].startswith("age 999 (expected ")

    def test_detect_refuses_names_that_are_taken(self, path, people, tmp_path, refuse):
        people.assign(anomaly=1).to_csv(path, index=False)
        line = refuse("detect", path, "-o", tmp_path / "scored.csv")
        assert "'anomaly'" in line and "--drop" in line

    def test_augment_needs_a_target(self, path, tmp_path, refuse):
        assert "--target" in refuse("augment", path, "-o", tmp_path / "more.csv")

    def test_augment(self, path, people, tmp_path):
        pytest.importorskip("imblearn")
        more = people[(people["risk"] == "low") | (people.index < 30)]
        more.to_csv(path, index=False)
        run("augment", path, "--target", "risk", "-o", tmp_path / "more.csv")
        before, after = (pd.read_csv(p, dtype=str) for p in (path, tmp_path / "more.csv"))
        assert after[: len(before)].equals(before)
        assert after["risk"].value_counts().nunique() == 1
        assert after["code"].isin(["00123", "01234", "98765"]).all()

    def test_report(self, path, people, tmp_path, capsys):
        pytest.importorskip("ot")
        new, later = tmp_path / "new.csv", tmp_path / "later.csv"
        run("sample", path, "-o", new)
        people[::2].to_csv(later, index=False)
        for options in ([], ["--holdout", later]):
            page = tmp_path / f"{len(options)}.html"
            assert main([*map(str, ["report", path, new, *options, "-o", page])]) == 0
            assert "<html" in page.read_text()
            assert "Wrote" in capsys.readouterr().out

    @pytest.mark.parametrize("is_kept", [True, False])
    def test_report_of_relations(self, tmp_path, capsys, is_kept):
        pytest.importorskip("ot")
        rng = np.random.default_rng(0)
        parts = pd.DataFrame({"net": rng.integers(10, 900, 200), "tax": rng.integers(0, 90, 200)})
        real = written(tmp_path / "real.csv", parts.assign(gross=parts["net"] + parts["tax"]))
        off = parts["net"] + (parts["tax"] if is_kept else parts["tax"][::-1].to_numpy())
        new = written(tmp_path / "new.csv", parts.assign(gross=off))
        assert main([*map(str, ["report", real, new, "-o", tmp_path / "r.html"])]) == 0
        grade = "good" if is_kept else "poor"
        assert f"Relations: {grade}." in capsys.readouterr().out

    def test_report_of_tables_that_do_not_match(self, path, people, tmp_path, refuse):
        other = written(tmp_path / "other.csv", people.drop(columns="city"))
        assert "no column 'city'" in refuse("report", path, other, "-o", tmp_path / "r.html")
        other = written(tmp_path / "other.csv", people.assign(age="old"))
        assert "column 'age'" in refuse("report", path, other, "-o", tmp_path / "r.html")


@pytest.fixture
def demo(tmp_path, capsys):
    """Run the demo on a table; return its rows and what it printed."""
    pytest.importorskip("ot")

    def run_demo(frame, *options):
        path, folder = written(tmp_path / "t.csv", frame), tmp_path / "out"
        argv = ["demo", "--csv", str(path), "--output", str(folder), "--quick", *options]
        assert main(argv) == 0
        assert (folder / "picture.png").read_bytes().startswith(b"\x89PNG")
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err and "non-finite" not in captured.err
        return pd.read_csv(folder / "synthetic.csv", dtype=str), captured.out

    return run_demo


class TestDemo:
    def test_bundled_data(self, tmp_path, capsys):
        pytest.importorskip("ot")
        argv = ["demo", "--quick", "--output", str(tmp_path)]
        assert main(argv) == 0
        synthetic = pd.read_csv(tmp_path / "synthetic.csv")
        assert synthetic.shape == (569, 31)
        assert set(synthetic["diagnosis"]) == {"benign", "malignant"}
        printed = capsys.readouterr().out
        for row in ("fresh real rows", "skdiffusion", "Gaussian mixture"):
            assert sum(line.startswith(row) for line in printed.splitlines()) == 1
        assert len(printed.splitlines()) <= 24

    def test_dates_gaps_and_codes(self, demo, people):
        people["none"] = None
        synthetic, printed = demo(people, "--target", "risk")
        assert list(synthetic) == list(people)
        assert printed.startswith("t: 120 rows, 9 columns\n")
        assert "72 rows to train on, 24 held out" in printed

    def test_levels_that_only_held_out_or_few_rows_have(self, demo, people):
        people.loc[range(0, N, 12), "city"] = [f"town {k}" for k in range(N // 12)]
        demo(people)

    def test_columns_that_identify_rows(self, demo, people):
        demo(people.assign(id=[f"C-{k:04d}" for k in range(N)]))

    def test_references_are_tuned_whatever_the_levels(self, demo):
        rng = np.random.default_rng(0)
        frame = pd.DataFrame({"x": rng.normal(size=300), "y": rng.normal(size=300), "g": "a"})
        frame["g"] = rng.choice(["a", "b"], 300)
        ratios = []
        for cell in ("a", "rare"):
            frame.loc[0, "g"] = cell
            line = next(k for k in demo(frame)[1].splitlines() if k.startswith("Gaussian m"))
            ratios.append(float(line.split()[-1]))
        assert ratios[1] == pytest.approx(ratios[0], rel=0.4)

    def test_refusals(self, people, path, tmp_path, refuse):
        for few in (people.head(39), people[["age"]], people[["city"]]):
            few.to_csv(path, index=False)
            assert "at least 40 rows of 2" in refuse("demo", "--csv", path)
        people.to_csv(path, index=False)
        assert "no column 'x'" in refuse("demo", "--target", "x")
        assert "no column 'x'" in refuse("demo", "--csv", path, "--target", "x")
        taken = written(tmp_path / "synthetic.csv", people)
        assert "would be replaced" in refuse("demo", "--csv", taken, "--output", tmp_path)

    def test_without_the_extra(self, refuse, monkeypatch):
        monkeypatch.setattr("skdiffusion._cli.commands.find_spec", lambda name: None)
        assert "pip install 'skdiffusion[demo" in refuse("demo")


class TestProcess:
    @staticmethod
    def start(folder, *argv):
        return subprocess.run(
            [sys.executable, "-m", "skdiffusion", *argv],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(Path(skdiffusion.__file__).parent.parent)},
            capture_output=True,
            text=True,
        )

    def test_from_a_file_to_rows_and_a_report_in_two_commands(self, path, people, tmp_path):
        pytest.importorskip("ot")
        for argv in (
            ["sample", "people.csv", "-o", "new.csv", "--quick"],
            ["report", "people.csv", "new.csv", "-o", "report.html"],
        ):
            done = self.start(tmp_path, *argv)
            assert done.returncode == 0, done.stderr
            assert "Traceback" not in done.stderr
        assert list(pd.read_csv(tmp_path / "new.csv")) == list(people)
        assert (tmp_path / "report.html").stat().st_size > 1000

    def test_errors(self, path, tmp_path):
        done = self.start(tmp_path, "sample", "none.csv", "-o", "new.csv")
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)

    def test_version(self, tmp_path):
        done = self.start(tmp_path, "--version")
        assert done.stdout.strip() == skdiffusion.__version__
