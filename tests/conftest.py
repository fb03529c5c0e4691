"""What many tests need: rows, and the published files where they are."""

import gc
import gzip
import os
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner

from evenflow import inference
from evenflow.baseline import Baseline
from evenflow.cli import main
from evenflow.decision import Decision
from evenflow.prepare.features import Preprocessor
from evenflow.recipe import Recipe
from evenflow.runtime import bundle as bundles
from evenflow.schema import Column, Schema, Table

from .redis_server import running


def pytest_collection_finish():
    """Spare the collector what lives to the end: modules and thousands of tests."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def _roots():
    named = os.environ.get("EVENFLOW_DATA")
    beside = Path(__file__).resolve().parents[2] / "shared" / "datasets"
    return [Path(named)] if named else [beside]


@pytest.fixture(scope="session")
def python():
    """Return a function that runs Python in a process of its own.

    It must exit with ``code``; ``env`` is added to the variables.
    """

    def python(*words, code=0, env=None, **more):
        command = [sys.executable, *map(str, words)]
        more |= {"env": os.environ | (env or {})}
        done = subprocess.run(command, capture_output=True, text=True, **more)
        assert done.returncode == code, done.stderr
        return done

    return python


@pytest.fixture(scope="session")
def run():
    """Return a function that runs a command, which must exit with ``code``."""

    def run(*words, code=0, **options):
        done = CliRunner().invoke(main, [str(word) for word in words], **options)
        assert done.exit_code == code, done.output
        return done

    return run


@pytest.fixture(scope="session")
def forest():
    """Return a function that makes the recipe of a few trees on few synthetic rows."""

    def forest(n_rows=1000, n_estimators=5, **changes):
        return Recipe.load(
            "synthetic/random_forest-none",
            dataset={"name": "synthetic", "n_rows": n_rows},
            model={"name": "random_forest", "n_estimators": n_estimators},
            **changes,
        )

    return forest


@pytest.fixture
def server(tmp_path):
    """A Redis that runs; it can be stopped and started again."""
    (tmp_path / "redis").mkdir()
    with running(tmp_path / "redis") as found:
        yield found


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a file and gives its path."""

    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.fixture(scope="session")
def save():
    """Return a function that writes a frame in the format of a path's ending."""
    writers = {
        ".csv": pl.DataFrame.write_csv,
        ".jsonl": pl.DataFrame.write_ndjson,
        ".parquet": pl.DataFrame.write_parquet,
    }
    return lambda frame, path: writers[path.suffix](frame, path)


@pytest.fixture(scope="session")
def data_folders():
    """Roots that hold the published files; the test is skipped without them."""
    roots = [root for root in _roots() if (root / "nsl-kdd").is_dir()]
    if not roots:
        pytest.skip("the published files are not here; set EVENFLOW_DATA")
    return roots


@pytest.fixture(scope="session")
def small_schema():
    """Columns of each kind and five classes, like NSL-KDD in small."""
    return Schema(
        name="small",
        columns=(
            Column(name="duration_s", unit="s", low=0),
            Column(name="protocol", kind="category", choices=("tcp", "udp", "icmp")),
            Column(name="service", kind="category"),
            Column(name="fwd_bytes", unit="bytes", low=0, step=1),
            Column(name="logged_in", low=0, high=1, step=1),
            Column(name="error_rate", low=0, high=1, step=0.01),
            Column(name="count", low=0, high=511, step=1),
            Column(name="constant"),
        ),
        classes=("benign", "dos", "probe", "r2l", "u2r"),
        families={
            "neptune": "dos",
            "smurf": "dos",
            "satan": "probe",
            "ipsweep": "probe",
            "guess_passwd": "r2l",
            "rootkit": "u2r",
            "perl": "u2r",
        },
        taxonomy="small",
    )


@pytest.fixture(scope="session")
def small_table(small_schema):
    """About 2,000 rows whose classes can be learnt, U2R with 14 rows."""
    rng = np.random.default_rng(3)
    sizes = {
        "benign": 1100, "neptune": 400, "smurf": 160, "satan": 160, "ipsweep": 80,
        "guess_passwd": 60, "rootkit": 10, "perl": 4,
    }  # fmt: skip
    attack = np.repeat(list(sizes), list(sizes.values()))
    kind = np.array([list(sizes).index(a) for a in attack])
    n = len(attack)
    services = np.array(["http", "private", "ecr_i", "other", "eco_i", "ftp", "telnet"])
    frame = pl.DataFrame(
        {
            "duration_s": np.round(rng.exponential(1 + 10 * (kind >= 5), n), 2),
            "protocol": np.where(np.isin(kind, [2, 4]), "icmp", "tcp"),
            "service": np.where(rng.random(n) < 0.9, services[kind % 7], "rare"),
            "fwd_bytes": np.floor(
                rng.lognormal(3 + (kind == 2) * 4 + (kind >= 5), 1, n)
            ),
            "logged_in": ((kind == 0) | (kind >= 5)) * (rng.random(n) < 0.9) * 1.0,
            "error_rate": np.round(
                np.clip(rng.normal((kind == 1) * 0.9, 0.1, n), 0, 1), 2
            ),
            "count": np.clip(
                np.floor(rng.exponential(10 + 200 * np.isin(kind, [1, 2]), n)), 0, 511
            ),
            "constant": np.zeros(n),
        }
    )  # fmt: skip
    order = rng.permutation(n)
    y = np.array([small_schema.classes.index(small_schema.class_of(a)) for a in attack])
    return Table(
        schema=small_schema,
        frame=frame[order],
        y=y[order],
        attack=pl.Series("attack", attack[order]),
    )


@pytest.fixture(scope="session")
def table_of():
    """Return a function that makes a table of a frame; its words are categories."""

    def table_of(frame, y=None, **more):
        columns = tuple(
            Column(name=name, kind="category" if kind == pl.String else "numeric")
            for name, kind in frame.schema.items()
        )
        schema = Schema(name="made", columns=columns, classes=("benign", "dos"))
        return Table(schema=schema, frame=frame, y=y, **more)

    return table_of


def _linear(weights, bias):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import onnx
        from onnx import TensorProto, helper, numpy_helper
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b"], ["z"]),
        helper.make_node("LogSoftmax", ["z"], ["log_proba"], axis=1),
    ]
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "linear",
        [value("x", TensorProto.FLOAT, ["N", len(weights)])],
        [value("log_proba", TensorProto.FLOAT, ["N", len(bias)])],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(bias, "b")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


@pytest.fixture(scope="session")
def softmax_regression():
    """A function of X, y and the number of classes: a model without training, as ONNX.

    Log-probabilities of a linear discriminant (shared variance), by formula.
    """

    def fit(X, y, n_classes):
        rows = X.astype(np.float64)
        means = np.stack([rows[y == k].mean(axis=0) for k in range(n_classes)])
        within = rows - means[y]
        spread = within.T @ within / len(X) + np.eye(X.shape[1]) * 0.05
        inverse = np.linalg.inv(spread)
        weights = (inverse @ means.T).astype(np.float32)
        prior = np.log(np.bincount(y, minlength=n_classes) / len(y))
        bias = prior - 0.5 * np.einsum("ij,jk,ik->i", means, inverse, means)
        return _linear(weights, bias.astype(np.float32))

    return fit


@pytest.fixture(scope="session")
def save_detector(softmax_regression):
    """Return a function that fits a detector of two classes and saves its bundle."""

    def save_detector(folder, schema, frame, is_attack, reference, has_baseline=False):
        y = is_attack.astype(np.int64)
        attack = pl.Series("attack", np.where(is_attack, schema.classes[1], "benign"))
        table = Table(schema=schema, frame=frame, y=y, attack=attack)
        preprocessor = Preprocessor.fit(table)
        X = preprocessor.transform(table)
        model = softmax_regression(X, y, 2)
        decision = replace(Decision.neutral(2), false_alarm_budget=0.05)
        log_proba = inference.log_proba(inference.open_session(model), X, 2)
        baseline = Baseline.of(table, decision.apply(log_proba))
        bundles.save(
            folder,
            schema=schema,
            preprocessor=preprocessor,
            model=model,
            decision=decision,
            golden=table.take(np.arange(20)),
            reference=table.take(reference),
            recipe={"dataset": {"name": "own"}, "model": {"name": "linear"}, "seed": 1},
            report={},
            card="# A detector of two classes\n",
            fingerprint=np.arange(5, dtype=np.uint64),
            baseline=baseline if has_baseline else None,
        )
        return folder

    return save_detector


REFUSALS = Schema(
    name="kdd",
    columns=(
        Column(name="protocol_type", kind="category"),
        Column(name="flag", kind="category"),
        Column(name="src_bytes", unit="bytes", low=0, step=1),
    ),
    classes=("benign", "probe"),
)


@pytest.fixture(scope="session")
def detector(tmp_path_factory, save_detector):
    """The folder of a detector that calls refused connections probes."""
    rng = np.random.default_rng(5)
    is_refused = rng.random(600) < 0.3
    frame = pl.DataFrame(
        {
            "protocol_type": np.where(
                is_refused | (rng.random(600) < 0.5), "tcp", "udp"
            ),
            "flag": np.where(is_refused, "REJ", "SF"),
            "src_bytes": np.where(is_refused, 0.0, np.floor(rng.exponential(99, 600))),
        }
    )
    folder = tmp_path_factory.mktemp("bundle") / "refusals"
    some = np.flatnonzero(~is_refused)[:50]
    return save_detector(folder, REFUSALS, frame, is_refused, some)


@pytest.fixture(scope="session")
def capture(tmp_path_factory):
    """The file of a capture: a scan among ordinary traffic."""
    packed = Path(__file__).parent / "traffic/captures/scan_and_benign.pcap.gz"
    path = tmp_path_factory.mktemp("capture") / "mixed.pcap"
    path.write_bytes(gzip.decompress(packed.read_bytes()))
    return path
