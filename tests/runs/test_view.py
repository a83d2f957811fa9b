"""Records fold into what a run looks like now."""

from __future__ import annotations

from loratui.events import (
    AnyEvent,
    Checkpoint,
    Ended,
    Epoch,
    Hint,
    Message,
    Phase,
    Planned,
    Record,
    Sample,
    StateChanged,
    Step,
)
from loratui.runs.view import KEPT_MESSAGES, RunFold, RunView


def folded(*events: AnyEvent, seconds_apart: float = 1.0) -> RunView:
    fold = RunFold()
    fold.feed(Record(n, 0.0, n * seconds_apart, event) for n, event in enumerate(events))
    return fold.view()


PLANNED = Planned(total_steps=10, epochs=2, images=20, batches_per_epoch=5)


def test_an_empty_run_is_starting() -> None:
    view = folded()
    assert (view.state, view.step, view.loss, view.seconds_left) == ("starting", 0, None, None)


def test_steps_give_speed_and_time_left() -> None:
    steps = [Step(n, loss=1 / n, epoch=1, rates={"unet": 1e-4}) for n in range(1, 6)]
    view = folded(StateChanged("running"), PLANNED, *steps, seconds_apart=2.0)
    assert (view.step, view.total_steps, view.epoch, view.epochs) == (5, 10, 1, 2)
    assert view.loss == 0.2
    assert view.seconds_per_step == 2.0
    assert view.seconds_left == 10.0
    assert view.rates == {"unet": 1e-4}


def test_time_between_attempts_does_not_count_as_speed() -> None:
    fold = RunFold()
    fold.feed([Record(0, 0, 0, PLANNED), Record(1, 0, 1, Step(1, loss=1)), Record(2, 0, 9, Step(2, loss=1))])
    assert fold.view().seconds_per_step == 8.0
    again = Planned(total_steps=10, epochs=2, images=20, batches_per_epoch=5, first_step=2)
    steps = [Record(4, 0, 901, Step(3, loss=1)), Record(5, 0, 904, Step(4, loss=1))]
    fold.feed([Record(3, 0, 900, again), *steps])
    assert fold.view().seconds_per_step == 3.0


def test_a_few_steps_stamped_together_do_not_look_infinitely_fast() -> None:
    fold = RunFold()
    steps = [Record(n, 0, 5.0, Step(n, loss=1, elapsed=0.7)) for n in (1, 2, 3)]
    fold.feed([Record(0, 0, 5.0, PLANNED), *steps])
    assert fold.view().seconds_per_step == 0.7


def test_the_trainers_own_measure_of_its_speed_wins() -> None:
    told = [Step(n, loss=1, elapsed=0.7, seconds_per_step=0.5, images_per_second=8.0) for n in (1, 2)]
    view = folded(PLANNED, *told, seconds_apart=2.0)
    assert (view.seconds_per_step, view.images_per_second) == (0.5, 8.0)
    # The time left counts what goes on between steps too.
    assert view.seconds_left == 16.0


def test_only_a_mean_is_shown_as_the_loss_when_there_is_no_other() -> None:
    assert folded(Step(1, average_loss=0.25)).loss == 0.25


def test_a_loss_that_is_no_number_is_told() -> None:
    view = folded(Step(1, loss=0.5), Step(2, loss=None, finite=False))
    assert (view.finite, view.loss, len(view.losses)) == (False, None, 1)


def test_files_hints_and_words_gather() -> None:
    view = folded(
        Epoch(1, 2),
        Phase("caching", done=3, total=8),
        Checkpoint("/a-000001.safetensors", 5, 1),
        Sample("/s.png", 5),
        Hint("oom_cuda", "fatal", "OutOfMemoryError: first"),
        Hint("oom_cuda", "fatal", "OutOfMemoryError: second"),
        Checkpoint("/a.safetensors", 10, 2, final=True),
        Ended("finished", 10, "/a.safetensors"),
        StateChanged("finished", "all steps done"),
    )
    assert [checkpoint.path for checkpoint in view.checkpoints] == ["/a-000001.safetensors", "/a.safetensors"]
    assert [hint.line for hint in view.hints] == ["OutOfMemoryError: first"]
    assert view.final_file == "/a.safetensors"
    assert (view.state, view.reason) == ("finished", "all steps done")
    assert view.phase.done == 3


def test_messages_are_bounded() -> None:
    view = folded(*(Message("info", str(n)) for n in range(KEPT_MESSAGES * 3)))
    assert len(view.messages) == KEPT_MESSAGES
    assert view.messages_seen == KEPT_MESSAGES * 3
    assert view.messages[-1].text == str(KEPT_MESSAGES * 3 - 1)
