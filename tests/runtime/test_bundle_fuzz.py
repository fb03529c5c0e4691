"""Changed bytes of a real bundle are refused or harmless; nothing crashes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHILD = """
import itertools, json, random, resource, sys
from pathlib import Path

resource.setrlimit(resource.RLIMIT_AS, (6 * 2**30, 6 * 2**30))
resource.setrlimit(resource.RLIMIT_CPU, (120, 121))
from evenflow.errors import BundleError
from evenflow.runtime import bundle as bundles
from evenflow.runtime.folder import read_folder, sha256

folder, seed, n_tries = Path(sys.argv[1]), *map(int, sys.argv[2:4])
ODD = [0, 1, 127, 128, 255, *b'"-+e{}[],.:0123456789']
n_refused = dict.fromkeys(sys.argv[4:], 0)
for name, k in itertools.product(n_refused, range(n_tries)):
    rng = rng if k else random.Random(seed)
    original = (folder / name).read_bytes()
    data = bytearray(original)
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(data))
        kind = rng.randrange(4)
        if kind == 0:
            data[at] = rng.randrange(256)
        elif kind == 1:
            data[at] = rng.choice(ODD)
        elif kind == 2:
            del data[at : at + rng.choice((1, 2, 8, 64))]
        else:
            data[at:at] = data[at : at + rng.choice((1, 2, 8, 64))]
    files = read_folder(folder) | {name: bytes(data)}
    manifest = json.loads(files["manifest.json"]) if name != "manifest.json" else None
    if manifest:  # as somebody would who changes a bundle on purpose
        manifest |= {
            "model_sha256": sha256(files["model.onnx"]),
            "model_bytes": len(files["model.onnx"]),
        }
        files["manifest.json"] = json.dumps(manifest).encode()
    # what to look at after a crash
    (folder / "last").write_bytes(name.encode() + b": " + data)
    try:
        found = bundles._open(folder, files, threads=1)
        bundles._rescore(found)
        scores = found.decide(found.reference)
        assert (scores.proba.sum(axis=1) - 1 < 1e-6).all()
    except BundleError as error:
        n_refused[name] += 1
        assert len(str(error)) < 2000, (name, error)
    finally:
        (folder / "last").unlink()
print(json.dumps(n_refused))
"""
NAMES = (
    "model.onnx", "golden.npz", "reference.npz", "fingerprint.npz", "manifest.json",
    "preprocessor.json", "decision.json", "report.json", "recipe.json", "card.md",
)  # fmt: skip


def fuzz(folder, *names, seed, n_tries):
    """Return in how many bundles a changed file of each name was refused."""
    words = (sys.executable, "-W", "error", "-c", CHILD, str(folder))
    done = subprocess.run(
        [*words, str(seed), str(n_tries), *names],
        capture_output=True,
        text=True,
        timeout=300,
    )
    left = folder / "last"
    seen = left.read_bytes()[:200] if left.exists() else b""
    assert done.returncode == 0, f"{done.returncode}: {done.stderr[-2000:]} {seen!r}"
    refused: dict[str, int] = json.loads(done.stdout)
    return refused


@pytest.mark.slow
def test_no_changed_byte_of_a_bundle_crashes(saved, tmp_path):
    copy = Path(shutil.copytree(saved, tmp_path / "copy"))
    refused = fuzz(copy, *NAMES, seed=7, n_tries=60)
    assert {name for name, n in refused.items() if not n} <= {"card.md", "report.json"}


@pytest.mark.slow
@pytest.mark.parametrize("model", ["random_forest", "cnn_lstm", "lightgbm", "dnn"])
def test_no_changed_byte_of_a_trained_model_crashes(model, tmp_path):
    import evenflow

    small = {"random_forest": {"n_estimators": 3}, "lightgbm": {"n_estimators": 3}}
    recipe = evenflow.Recipe.load(f"synthetic/{model}-none").with_(
        dataset={"name": "synthetic", "n_rows": 1000},
        model={"name": model} | small.get(model, {}),
        training={"epochs": 1},
    )
    evenflow.train(recipe, tmp_path / "b")
    assert fuzz(tmp_path / "b", "model.onnx", seed=7, n_tries=250)["model.onnx"]
