"""A training that is stopped, however it is stopped, goes on as if it had not been."""

import dataclasses
import hashlib
import signal
import textwrap

import numpy as np
import pytest
import torch

from evenflow.errors import RecipeError
from evenflow.learn import devices, loop
from evenflow.learn.export import to_onnx
from evenflow.progress import Epoch, Progress


def weights(fitted):
    return {k: v.numpy().tobytes() for k, v in fitted.model.state_dict().items()}


def stop_at(epoch, kind):
    """Return a listener that presses Ctrl-C at an event of that epoch."""

    def listen(event):
        if isinstance(event, kind):
            listen.seen.append(event)
            total = event.number if kind is Epoch else event.done / (event.total / 4)
            if total > epoch - 1:
                raise KeyboardInterrupt

    listen.seen = []
    return listen


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "precision"),
    [("cnn", "bfloat16"), ("cnn_lstm", "float32"), ("dnn", "bfloat16")],
)
def test_a_run_stopped_in_mid_epoch_ends_with_the_same_weights(
    name, precision, rows, tmp_path, monkeypatch
):
    monkeypatch.setattr(loop, "PROGRESS_EVERY_S", 0.0)
    how = {"epochs": 4, "precision": precision}
    whole = rows.fit(name, **how)
    how |= {"workdir": tmp_path / "run"}
    with pytest.raises(KeyboardInterrupt):
        rows.fit(name, **how, on_event=stop_at(3, Progress))
    seen = []
    resumed = rows.fit(name, **how, resume=True, on_event=seen.append)
    assert [e.number for e in seen if isinstance(e, Epoch)] == [3, 4]
    assert weights(resumed) == weights(whole)
    assert resumed.best_epoch == whole.best_epoch
    figures = [(e.loss, e.valid_loss, e.valid_macro_f1) for e in resumed.history]
    assert figures == [(e.loss, e.valid_loss, e.valid_macro_f1) for e in whole.history]
    assert to_onnx(resumed) == to_onnx(whole)


def test_ctrl_c_right_after_an_epoch_keeps_that_epoch(rows, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        rows.fit("dnn", epochs=4, workdir=tmp_path, on_event=stop_at(2, Epoch))
    seen = []
    rows.fit("dnn", epochs=4, workdir=tmp_path, resume=True, on_event=seen.append)
    assert [e.number for e in seen if isinstance(e, Epoch)] == [3, 4]


def test_ctrl_c_in_the_first_epoch_leaves_a_usable_checkpoint(
    rows, tmp_path, monkeypatch
):
    monkeypatch.setattr(loop, "PROGRESS_EVERY_S", 0.0)
    file = tmp_path / "checkpoint.npz"
    with pytest.raises(KeyboardInterrupt):
        rows.fit("dnn", epochs=4, workdir=tmp_path, on_event=stop_at(0, Progress))
    assert file.exists()
    resumed = rows.fit("dnn", epochs=4, workdir=tmp_path, resume=True)
    assert weights(resumed) == weights(rows.fit("dnn", epochs=4))


def test_a_finished_run_resumes_to_itself_without_training(rows, tmp_path):
    whole = rows.fit("cnn", workdir=tmp_path)
    seen = []
    again = rows.fit("cnn", workdir=tmp_path, resume=True, on_event=seen.append)
    assert seen == []
    assert weights(again) == weights(whole)
    assert again.history == whole.history


def test_resume_without_a_checkpoint_starts_at_the_beginning(rows, tmp_path):
    fitted = rows.fit("dnn", workdir=tmp_path, resume=True)
    assert weights(fitted) == weights(rows.fit("dnn"))


def test_without_resume_an_old_checkpoint_is_replaced(rows, tmp_path):
    rows.fit("dnn", workdir=tmp_path, seed=1)
    fitted = rows.fit("dnn", workdir=tmp_path, seed=2)
    assert weights(fitted) == weights(rows.fit("dnn", seed=2))


def test_a_checkpoint_of_another_training_is_refused(rows, tmp_path):
    file = tmp_path / "checkpoint.npz"
    rows.fit("dnn", workdir=tmp_path)
    rows.fit("dnn", workdir=tmp_path, resume=True)
    before = file.read_bytes()
    y = rows.y.copy()
    y[0] = (y[0] + 1) % 5
    X_valid = rows.X_valid.copy()
    X_valid[0, 0] += 1
    auto = str(devices.precision("auto", torch.device("cpu"))).removeprefix("torch.")
    others = [
        (dataclasses.replace(rows, y=y), "dnn", {}),
        (dataclasses.replace(rows, X=rows.X * 2), "dnn", {}),
        (dataclasses.replace(rows, X_valid=X_valid), "dnn", {}),
        (rows, "cnn", {}),
        (rows, "dnn", {"config": {"dropout": 0.3}}),
        (rows, "dnn", {"seed": 8}),
        (rows, "dnn", {"epochs": 9}),
        (rows, "dnn", {"class_weight": np.ones(5)}),
        (rows, "dnn", {"precision": "bfloat16" if auto == "float32" else "float32"}),
    ]
    for other, name, how in others:
        with pytest.raises(RecipeError, match="other rows or with other settings"):
            other.fit(name, workdir=tmp_path, resume=True, **how)
    assert file.read_bytes() == before


DAMAGES = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:5000]),
    "text": lambda path: path.write_text("no archive"),
    "empty": lambda path: path.write_bytes(b""),
    "pickle": lambda path: np.savez(path, meta=np.array([{"a": 1}], dtype=object)),
    "lacking": lambda path: np.savez(path, other=np.zeros(3)),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_checkpoint_is_refused(rows, tmp_path, damage):
    rows.fit("dnn", epochs=1, workdir=tmp_path)
    damage(tmp_path / "checkpoint.npz")
    with pytest.raises(RecipeError, match=r"not a whole checkpoint.*Delete it"):
        rows.fit("dnn", epochs=1, workdir=tmp_path, resume=True)


def test_what_a_killed_run_left_half_written_is_swept_away(rows, tmp_path):
    (tmp_path / ".checkpoint.npz.99999.part").write_bytes(b"half")
    (tmp_path / "other.part").write_bytes(b"not ours")
    rows.fit("dnn", epochs=1, workdir=tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"checkpoint.npz", "other.part"}


CHILD = textwrap.dedent(
    """
    import hashlib, os, signal, sys
    from pathlib import Path
    import numpy as np
    from evenflow import registry
    from evenflow.learn import loop
    from evenflow.learn.fitting import of_arrays
    from evenflow.progress import Progress
    from evenflow.stages import Training

    name, file, mode = sys.argv[1:]
    loop.PROGRESS_EVERY_S = 0.0
    rng = np.random.default_rng(0)
    X = rng.normal(size=(800, 40)).astype(np.float32)
    y = (X[:, :4].argmax(axis=1)).astype(np.int64)

    def listen(event):
        print(event, flush=True)
        if mode == "kill" and isinstance(event, Progress) and event.done > 1200:
            os.kill(os.getpid(), signal.SIGKILL)

    def digest(**how):
        plug_in = registry.load("models", name)
        task = of_arrays(
            X[:600], y[:600], X[600:], y[600:], n_classes=4,
            training=Training(epochs=4, batch_size=128), device="cpu", **how,
        )
        fitted = plug_in.fit(plug_in.Config(), task)
        digest = hashlib.sha256()
        for value in fitted.model.state_dict().values():
            digest.update(value.numpy().tobytes())
        return digest.hexdigest()

    print(digest(workdir=Path(file), resume=mode == "resume", on_event=listen))
    print(digest())
    """
)


@pytest.mark.slow
def test_kill_9_in_mid_epoch_changes_nothing_in_the_end(tmp_path, python):
    def child(mode, hash_seed, **how):
        env = {"PYTHONHASHSEED": hash_seed}
        return python("-c", CHILD, "cnn_lstm", tmp_path, mode, env=env, **how)

    killed = child("kill", "1", code=-signal.SIGKILL)
    assert "number=2" in killed.stdout
    assert "number=3" not in killed.stdout, "it died within the third epoch"
    resumed = child("resume", "2")
    assert "number=2" not in resumed.stdout, "finished epochs are not repeated"
    digest, whole = resumed.stdout.split()[-2:]
    assert len(digest) == len(hashlib.sha256().hexdigest())
    assert digest == whole
