"""What a training of a network promises, whatever the network."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from evenflow.errors import RecipeError, StorageError
from evenflow.learn import devices, loop, network
from evenflow.learn.export import to_onnx
from evenflow.progress import Epoch, Progress


def test_each_epoch_is_told_once_and_kept(rows):
    events = []
    fitted = rows.fit("dnn", epochs=3, on_event=events.append)
    epochs = [e for e in events if isinstance(e, Epoch)]
    assert tuple(epochs) == fitted.history
    assert [e.number for e in epochs] == [1, 2, 3]
    assert all(e.epochs == 3 and e.seconds > 0 and e.rows_per_s > 0 for e in epochs)
    assert epochs[-1].loss < epochs[0].loss


def test_progress_within_a_long_epoch_counts_rows_up(rows, monkeypatch):
    events = []
    monkeypatch.setattr(loop, "PROGRESS_EVERY_S", 0.0)
    rows.fit("dnn", epochs=2, on_event=events.append)
    done, totals = zip(
        *((e.done, e.total) for e in events if isinstance(e, Progress)), strict=True
    )
    assert len(done) > 10
    assert [*done] == sorted(done)
    assert {done[-1], *totals} == {2 * len(rows.y)}


def test_the_history_holds_the_validation_figures_of_scikit_learn(rows):
    fitted = rows.fit("dnn", epochs=4, patience=4)
    best = fitted.history[fitted.best_epoch - 1]
    log_proba = fitted.log_proba(rows.X_valid)
    expected = f1_score(
        rows.y_valid, log_proba.argmax(axis=1), labels=np.unique(rows.y_valid),
        average="macro", zero_division=0,
    )  # fmt: skip
    assert best.valid_macro_f1 == pytest.approx(expected, abs=1e-12)
    loss = -log_proba[np.arange(len(rows.y_valid)), rows.y_valid].mean()
    assert best.valid_loss == pytest.approx(loss, abs=1e-6)


def judged(monkeypatch, judge):
    """Judge the validation rows by a function of the test."""
    made = network.classify

    def classify(*given):
        return dataclasses.replace(made(*given), judge=judge)

    monkeypatch.setattr(network, "classify", classify)


def test_the_weights_are_those_of_the_best_epoch(rows, monkeypatch):
    # validation figures that are best at epoch 2, and equal but for the loss later
    figures = iter([(0.9, 0.5), (0.5, 0.8), (0.6, 0.8), (0.7, 0.8), (0.1, 0.1)])
    weights = []

    def judge(model):
        weights.append({k: v.clone() for k, v in model.state_dict().items()})
        return next(figures)

    judged(monkeypatch, judge)
    fitted = rows.fit("dnn", epochs=20, patience=2)
    assert len(fitted.history) == 4, "stops two epochs after the best"
    assert fitted.best_epoch == 2
    assert any("stopped after epoch 4 of 20" in note for note in fitted.notes)
    for name, value in fitted.model.state_dict().items():
        assert torch.equal(value, weights[1][name]), name


def test_of_two_epochs_with_one_f1_the_lower_loss_is_better(rows, monkeypatch):
    figures = iter([(0.9, 0.5), (0.4, 0.5), (0.6, 0.5)])
    judged(monkeypatch, lambda _: next(figures))
    assert rows.fit("dnn", epochs=3).best_epoch == 2


@pytest.mark.parametrize(("f1", "what"), [(np.nan, "loss for"), (0.5, "macro F1, or")])
def test_the_note_of_an_early_stop_names_what_did_not_improve(
    rows, monkeypatch, f1, what
):
    figures = iter([(0.4, f1), (0.5, f1)])
    judged(monkeypatch, lambda _: next(figures))
    fitted = rows.fit("dnn", epochs=9, patience=1)
    assert any(f"no better validation {what}" in note for note in fitted.notes)


def test_validation_rows_may_miss_classes(rows):
    some = rows.y_valid < 2
    few = dataclasses.replace(
        rows, X_valid=rows.X_valid[some], y_valid=rows.y_valid[some]
    )
    fitted = few.fit("dnn", epochs=5)
    assert 0.5 < fitted.history[-1].valid_macro_f1 <= 1


def test_without_validation_rows_no_epoch_is_dropped(rows):
    none = dataclasses.replace(rows, X_valid=rows.X_valid[:0], y_valid=rows.y_valid[:0])
    fitted = none.fit("dnn", epochs=4, patience=1)
    assert len(fitted.history) == fitted.best_epoch == 4
    assert all(math.isnan(e.valid_loss) for e in fitted.history)


@pytest.mark.parametrize("name", ["cnn", "dnn"])
@pytest.mark.parametrize("n", [2, 3, 65, 129, 130])
def test_a_last_batch_of_one_row_does_not_stop_batch_norm(rows, name, n):
    order = np.r_[0, np.flatnonzero(rows.y != rows.y[0])[0], 1:n]
    few = dataclasses.replace(rows, X=rows.X[order[:n]], y=rows.y[order[:n]])
    fitted = few.fit(name, epochs=1, batch_size=64)
    assert np.isfinite(fitted.log_proba(rows.X_valid)).all()


def test_batches_hold_every_row_once():
    for n in (2, 63, 64, 65, 128, 129, 200):
        bounds = loop._bounds(n, 64)
        assert bounds[0] == 0
        assert bounds[-1] == n
        sizes = np.diff(bounds)
        assert (sizes >= 2).all()
        assert sizes.max() <= 65


def test_batches_of_one_row_are_refused_where_a_model_normalises(rows):
    with pytest.raises(RecipeError, match=r"batch_size is 1 .* expected 2"):
        rows.fit("dnn", batch_size=1, epochs=1)
    few = dataclasses.replace(rows, X=rows.X[:50], y=rows.y[:50])
    few.fit("dnn", batch_size=1, epochs=1, config={"batch_norm": False})


def test_a_loss_that_runs_away_says_what_to_lower(rows):
    with pytest.raises(RecipeError, match=r"loss became (nan|inf) .* learning_rate"):
        rows.fit("dnn", learning_rate=1e30, epochs=5, config={"batch_norm": False})


def test_the_callers_random_numbers_are_left_alone(rows):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    rows.fit("dnn", epochs=1)
    assert torch.equal(torch.rand(3), expected)


def test_a_missing_device_is_refused_before_training(rows):
    with pytest.raises(RecipeError, match=r"'tpu'; expected auto, cpu or cuda"):
        rows.fit("dnn", device="tpu")
    if not torch.cuda.is_available():
        with pytest.raises(RecipeError, match=r"'cuda': 0 CUDA devices .*--device"):
            rows.fit("dnn", device="cuda")
        assert devices.resolve("auto") == torch.device("cpu")


@pytest.mark.gpu
def test_a_gpu_learns_what_the_cpu_learns(rows):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    fitted = rows.fit("cnn", device="cuda", epochs=8)
    assert fitted.history[fitted.best_epoch - 1].valid_macro_f1 > 0.5
    to_onnx(fitted)


def test_auto_precision_follows_the_hardware(monkeypatch):
    cpu = torch.device("cpu")
    for found, expected in (
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True}, torch.bfloat16),
        ({"avx512_f": True}, torch.float32),
        ({}, torch.float32),
    ):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda f=found: f)
        assert devices.precision("auto", cpu) == expected
        assert devices.precision("float32", cpu) == torch.float32
        assert devices.precision("bfloat16", cpu) == torch.bfloat16


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cnn", "cnn_lstm", "dnn"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_either_precision_learns_and_keeps_float32_weights(rows, name, precision):
    fitted = rows.fit(name, epochs=6, precision=precision)
    assert fitted.history[-1].loss < 0.8 * fitted.history[0].loss
    assert all(p.dtype == torch.float32 for p in fitted.model.parameters())
    assert any(precision in note for note in fitted.notes)


def test_a_checkpoint_that_cannot_be_written_is_an_error_and_leaves_nothing(
    rows, tmp_path
):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(StorageError, match="cannot write"):
        rows.fit("dnn", workdir=blocked / "c.npz")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]
