"""Progress in a log: few lines, each a fact."""

import io

from rich.console import Console

from evenflow.cli.drawing import Bars, Lines
from evenflow.progress import Epoch, Note, Progress

EPOCH = Epoch(
    number=2, epochs=5, loss=0.5, valid_loss=0.25, valid_macro_f1=0.75, seconds=2.0,
    rows_per_s=12345.6,
)  # fmt: skip


def said(*events):
    found = []
    lines = Lines(lambda text, /, **facts: found.append((text, facts)))
    for event in events:
        lines(event)
    return found


def test_an_epoch_is_a_line_with_its_figures_and_facts():
    [(text, facts)] = said(EPOCH)
    assert text == (
        "epoch 2/5: loss 0.5000, validation loss 0.2500, macro F1 0.7500, 12,346 rows/s"
    )
    assert (facts["event"], facts["number"], facts["valid_macro_f1"]) == (
        "epoch",
        2,
        0.75,
    )


def test_a_long_step_does_not_flood_the_log():
    events = [Progress(step="balance", done=k, total=1000) for k in range(1000)]
    assert [text for text, _ in said(*events)] == ["balance 0/1,000 rows"]


def test_a_step_without_rows_is_named_once():
    begun = Progress(step="calibrate", done=0, unit="step")
    ended = Progress(step="calibrate", done=1, total=1, unit="step")
    assert [text for text, _ in said(begun, ended)] == ["calibrate"]


def test_every_note_is_a_line():
    assert [t for t, _ in said(Note(text="a"), Note(text="a"))] == ["a", "a"]


def test_bars_show_the_running_step_and_keep_the_outer_one():
    bars = Bars()
    bars.rich.live.console = Console(file=io.StringIO(), force_terminal=True)
    bars(Progress(step="compare", done=1, total=4, unit="cells"))
    bars(Progress(step="balance", done=10, total=20))
    bars(EPOCH)
    assert [task.description for task in bars.rich.tasks] == ["compare", "train"]
    assert bars.rich.tasks[1].completed == 2
    bars(Note(text="[not markup]"))
