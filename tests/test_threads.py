"""How many threads, and how they wait: what is chosen from which measurement, and what is said."""

import os
import subprocess
import sys

import pytest
import torch

from grpo_mini.machine import threads
from grpo_mini.machine.threads import Pace, lent_cores

# Small products a second of (number of threads, yielding), as machines were seen to give them.
ALONE = {(1, False): 100, (2, False): 160, (2, True): 158}
SLOW_SPIN = {(1, False): 100, (2, False): 110, (2, True): 160}
BESIDE_FOUR = {(1, False): 45, (2, False): 3, (2, True): 47}
CROWDED = {(1, False): 14, (2, False): 1, (2, True): 9}


@pytest.fixture
def machine(monkeypatch):
    """A machine of two cores whose paces are given."""
    state = {"now": (1, False)}

    def give(paces, share=1.0, cores=2):
        monkeypatch.setattr(threads, "lent_cores", lambda: cores)
        monkeypatch.setattr(threads, "apply", lambda *variant: state.update(now=variant))
        monkeypatch.setattr(torch, "set_num_threads", lambda n: state.update(now=(n, False)))
        monkeypatch.setattr(torch, "get_num_threads", lambda: state["now"][0])
        monkeypatch.setattr(threads, "_pace", lambda: (paces.get(state["now"], 1), share))

    monkeypatch.setattr(threads, "_current", None)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return give


@pytest.mark.parametrize(
    ("paces", "number", "yielding"),
    [(ALONE, 2, False), (SLOW_SPIN, 2, True), (BESIDE_FOUR, 2, True), (CROWDED, 1, False)],
    ids=["alone", "slow to spin", "beside four", "crowded"],
)
def test_the_choice_is_the_best_of_what_was_measured(machine, paces, number, yielding):
    machine(paces)
    choice = threads.choose()
    assert (choice.number, choice.yielding) == (number, yielding)
    assert "the fastest of 1 and 2 here" in str(choice)


def test_a_busy_machine_is_said_to_be_one(machine):
    machine(BESIDE_FOUR, share=0.4)
    assert "beside other busy programs" in str(threads.choose())


def test_beside_other_programs_nothing_spins_though_it_looks_fast_for_a_moment(machine):
    machine({(1, False): 40, (2, False): 90, (2, True): 40}, share=0.4)
    assert threads.choose().yielding


def test_a_choice_made_before_stays_unless_another_is_much_better(machine):
    machine(ALONE)
    first = threads.choose()
    machine({(1, False): 100, (2, False): 90, (2, True): 90})
    assert threads.choose().number == first.number == 2
    machine(CROWDED)
    assert threads.choose().number == 1


@pytest.mark.parametrize("cores", [1, 3, 4, 12])
def test_every_number_worth_trying_is_tried(machine, cores):
    machine({}, cores=cores)
    tried = threads.choose().why
    wanted = {1: [1], 3: [1, 2, 3], 4: [1, 2, 4], 12: [1, 2, 4, 8, 12]}[cores]
    assert threads.listed(wanted) in tried


def test_a_number_that_was_given_is_kept(machine, monkeypatch):
    machine(BESIDE_FOUR)
    assert threads.choose(wanted=2).number == 2
    assert "as the configuration says" in str(threads.choose(wanted=2))
    torch.set_num_threads(1)
    assert str(threads.choose()) == "1 thread (as torch.set_num_threads says)"
    monkeypatch.setattr(threads, "_current", None)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert "as OMP_NUM_THREADS says" in str(threads.choose())


def test_what_a_container_lends(monkeypatch, tmp_path):
    quota = tmp_path / "cpu.max"
    monkeypatch.setattr(threads, "CONTAINER", quota)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    for text, cores in (("max 100000", 8), ("150000 100000", 2), ("50000 100000", 1)):
        quota.write_text(text, encoding="utf-8")
        assert lent_cores() == cores


def test_a_waiting_thread_can_yield_and_spin_again_without_other_results():
    torch.set_num_threads(2)
    x = torch.randn(300, 300, generator=torch.Generator().manual_seed(0))
    results = []
    for yielding in (False, True, True, False):
        threads.apply(2, yielding)
        results.append(x @ x)
    assert all(torch.equal(results[0], other) for other in results)


def test_every_way_in_chooses_and_says_so(tmp_path):
    """Importing, and the command line; the number is recorded with the run."""
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    code = "import grpo_mini; from grpo_mini.machine import threads; print(threads._current)"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True,
                          text=True, encoding="utf-8", check=True)  # fmt: skip
    assert "thread" in done.stdout and "the fastest of" in done.stdout
    command = [sys.executable, "-m", "grpo_mini", "train", "--steps", "1", "--prompts-per-step",
               "2", "--group-size", "2", "--record", str(tmp_path / "run.jsonl"),
               "--threads", "1"]  # fmt: skip
    done = subprocess.run(command, env=environment, capture_output=True, text=True,
                          encoding="utf-8", check=True)  # fmt: skip
    assert "1 thread (as the configuration says)" in done.stderr
    assert '"threads": 1' in (tmp_path / "run.jsonl").read_text(encoding="utf-8")


# ---------------------------------------------------------------------------- long steps


@pytest.fixture
def two_threads():
    torch.set_num_threads(2)


def remarks(pace: Pace, steps: list[tuple[float, float]], tokens=100) -> list[str]:
    found = [pace.remark(i, s, cpu, tokens) for i, (s, cpu) in enumerate(steps, start=1)]
    return [remark for remark in found if remark is not None]


def test_steps_that_grow_five_times_as_long_say_why_once(two_threads):
    steps = [(1.0, 1.9)] * 3 + [(6.0, 2.4)] * 6
    (remark,) = remarks(Pace(), steps)
    assert "step 5 took 6.0 s, 6 times as long" in remark
    assert "other programs use the processors, and left 0.4 cores" in remark


def test_a_long_step_with_the_processors_to_itself_has_another_reason(two_threads):
    (remark,) = remarks(Pace(), [(1.0, 1.9)] * 2 + [(6.0, 11.0)] * 3)
    assert "is the memory full?" in remark


def test_one_long_step_or_longer_responses_are_no_reason_to_speak(two_threads):
    assert not remarks(Pace(), [(1.0, 1.9), (9.0, 2.0), (1.0, 1.9)])
    pace = Pace()
    found = [
        pace.remark(i, seconds, 2 * seconds, 100 * seconds)
        for i, seconds in enumerate((1, 3, 6, 9))
    ]
    assert found == [None] * 4


def test_steps_that_grow_longer_still_speak_again(two_threads):
    found = remarks(Pace(), [(1.0, 1.9)] * 2 + [(6.0, 2.4)] * 4 + [(40.0, 2.4)] * 4)
    assert len(found) == 2


def test_a_training_shows_the_remark(small_trainer, monkeypatch, capsys):
    trainer = small_trainer()
    monkeypatch.setattr(Pace, "remark", lambda *_: "it took long")
    trainer.train(1)
    assert "it took long" in capsys.readouterr().err and trainer.remarks[-1] == "it took long"
