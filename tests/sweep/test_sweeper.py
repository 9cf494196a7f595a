"""A search by a made-up task, launched in this process."""

import itertools
from types import SimpleNamespace

import optuna
import pytest
import yaml
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf
from optuna.trial import TrialState

from chexpert.errors import UserError
from chexpert.signals import PrunedError
from chexpert.sweep.study import mix, open_storage
from chexpert.sweep.sweeper import Settings, search

SETTINGS = {"n_trials": 6, "n_jobs": 2, "direction": "maximize", "sampler": "tpe", "seed": 0, "pruner": "median",
            "storage": None, "study_name": "search", "params": {}}  # fmt: skip
GRID = ["x=range(3)", "y=good,bad"]


class Sweeper:
    """Stands for Hydra's: jobs are done at once by a function of their settings; what it did is kept."""

    def __init__(self, folder, task):
        self.config = OmegaConf.create({"hydra": {"sweep": {"dir": str(folder)}}})
        self.hydra_context = SimpleNamespace(config_loader=None)
        self.launcher, self.task = self, task
        self.launched: list[tuple[int, dict]] = []

    def validate_batch_is_legal(self, batch):
        pass

    def launch(self, jobs, initial_job_idx):
        return [self.do(number, job) for number, job in enumerate(jobs, start=initial_job_idx)]

    def do(self, number, job):
        given = dict(override.split("=", 1) for override in job)
        self.launched.append((number, given))
        try:
            return JobReturn(status=JobStatus.COMPLETED, _return_value=self.task(given))
        except Exception as error:
            return JobReturn(status=JobStatus.FAILED, _return_value=error)


def square(given):
    """Highest at 2."""
    if given.get("y") == "bad":
        raise ValueError("bad on purpose\nand a second line")
    return -((float(given["x"]) - 2) ** 2)


def start(folder, *arguments, task=square, **settings):
    """In a journal, which is quicker than a database."""
    sweeper = Sweeper(folder, task)
    settings.setdefault("storage", f"journal:{folder}.log")
    return search(Settings(**SETTINGS | settings), arguments, sweeper), sweeper


def read_trials(folder):
    return optuna.load_study(study_name="search", storage=open_storage(f"journal:{folder}.log")).trials


def test_a_grid_is_tried_once_with_failed_jobs_inside_and_the_best_is_left(tmp_path, capsys):
    best, sweeper = start(tmp_path, *GRID, "seed=3", sampler="grid", n_trials=20, n_jobs=4)
    assert best == 0
    assert [number for number, _ in sweeper.launched] == [0, 1, 2, 3, 4, 5]
    assert sorted((given["x"], given["y"]) for _, given in sweeper.launched) == sorted(
        itertools.product("012", ("good", "bad"))
    )
    numbers = {int(given["x"]): number for number, given in sweeper.launched if given["y"] == "good"}
    content = yaml.safe_load((tmp_path / "best.yaml").read_text())
    assert content == {
        "value": 0.0,
        "job": numbers[2],
        "overrides": ["seed=3", "x=2", "y=good"],
        "searched": ["x=2", "y=good"],
        "trials": {"finished": 3, "pruned": 0, "failed": 3},
    }
    failed = [trial for trial in read_trials(tmp_path) if trial.state == TrialState.FAIL]
    assert [trial.user_attrs["error"] for trial in failed] == ["bad on purpose"] * 3
    printed = "".join(capsys.readouterr())
    assert "failed: bad on purpose" in printed
    assert "again:       python train.py seed=3 x=2 y=good" in printed


def test_nan_and_what_is_no_number_fail_and_a_pruned_job_is_reported_as_pruned(tmp_path):
    def task(given):
        gives = {"a": float("nan"), "b": None, "c": 0.5, "d": 0.9}
        if given["x"] == "e":
            raise PrunedError("below the median")
        return gives[given["x"]]

    best, _ = start(tmp_path, "x=a,b,c,d,e", task=task, sampler="grid", n_trials=9)
    assert best == 0.9
    trials = {trial.params["x"]: trial for trial in read_trials(tmp_path)}
    assert {x: trials[x].state.name for x in "abcde"} == {
        "a": "FAIL", "b": "FAIL", "c": "COMPLETE", "d": "COMPLETE", "e": "PRUNED",
    }  # fmt: skip
    assert [trials[x].user_attrs["error"] for x in "ab"] == ["it returned nan", "it returned None"]


def test_a_job_is_reported_where_its_trial_is(tmp_path):
    _, sweeper = start(tmp_path, "x=interval(0.0, 1.0)", n_trials=2, storage=None)
    storage = f"sqlite:///{tmp_path}/study.db"
    assert [given["trial"] for _, given in sweeper.launched] == [
        f"{{storage:'{storage}',study:'search',number:{number},pruner:median}}" for number in (0, 1)
    ]


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
@pytest.mark.parametrize("stop_at", [3, 4])
def test_a_search_that_was_stopped_resumes_as_if_it_had_not_been(tmp_path, sampler, stop_at):
    """Killed within or before its second batch: reported trials do not run again, others keep number and settings."""
    search_space = ["x=range(0, 100)", "y=good,fair"]
    _, undisturbed = start(tmp_path / "a", *search_space, sampler=sampler, n_trials=8)
    done = itertools.count()

    def killed(given):
        if next(done) == stop_at:
            raise KeyboardInterrupt
        return square(given)

    with pytest.raises(KeyboardInterrupt):
        start(tmp_path / "b", *search_space, task=killed, sampler=sampler, n_trials=8)
    _, resumed = start(tmp_path / "b", *search_space, sampler=sampler, n_trials=8)
    wanted = [(number, given["x"], given["y"]) for number, given in undisturbed.launched]
    assert [(number, given["x"], given["y"]) for number, given in resumed.launched] == wanted[stop_at // 2 * 2 :]
    assert [(t.params, t.value) for t in read_trials(tmp_path / "a")] == [
        (t.params, t.value) for t in read_trials(tmp_path / "b")
    ]


def test_a_search_may_be_prolonged_but_not_changed(tmp_path):
    start(tmp_path, "x=interval(0.0, 1.0)", "resume=null", n_trials=2)
    _, sweeper = start(tmp_path, "x=interval(0.0, 1.0)", "resume=auto", n_trials=3, n_jobs=1)
    assert [number for number, _ in sweeper.launched] == [2]
    with pytest.raises(UserError, match=r"of another search: .*high=2"):
        start(tmp_path, "x=interval(0.0, 2.0)")
    with pytest.raises(UserError, match="direction: minimize"):
        start(tmp_path, "x=interval(0.0, 1.0)", direction="minimize")


def test_a_trial_that_was_stopped_while_it_was_sampled_fails_and_is_not_launched(tmp_path):
    start(tmp_path, "x=interval(0.0, 1.0)", n_trials=1)
    optuna.load_study(study_name="search", storage=open_storage(f"journal:{tmp_path}.log")).ask()
    _, sweeper = start(tmp_path, "x=interval(0.0, 1.0)", n_trials=3)
    assert [number for number, _ in sweeper.launched] == [2]
    assert read_trials(tmp_path)[1].user_attrs["error"] == "the search was stopped while the trial was sampled"


def test_a_launcher_that_loses_a_worker_costs_the_trial_that_killed_it_alone(tmp_path):
    class Losing(Sweeper):
        def launch(self, jobs, initial_job_idx):
            if any("y=bad" in job for job in jobs):
                raise RuntimeError("a worker was killed")
            return super().launch(jobs, initial_job_idx)

    sweeper = Losing(tmp_path, square)
    settings = SETTINGS | {"sampler": "grid", "n_jobs": 6, "storage": f"journal:{tmp_path}.log"}
    assert search(Settings(**settings), GRID, sweeper) == 0
    states = [(trial.params["y"], trial.state) for trial in read_trials(tmp_path)]
    assert all(state == (TrialState.FAIL if y == "bad" else TrialState.COMPLETE) for y, state in states)


def test_a_search_without_a_value_says_why_in_the_end(tmp_path):
    with pytest.raises(UserError, match="none of 2 trials gave a value: bad on purpose"):
        start(tmp_path, "y=choice(bad)", "x=range(2)", sampler="grid")


def test_the_best_of_a_search_for_the_least_is_the_least(tmp_path):
    best, _ = start(tmp_path, "x=range(0, 9)", sampler="grid", n_trials=9, direction="minimize")
    assert best == -36


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"sampler": "tpes"}, "hydra.sweeper.sampler"),
        ({"pruner": "mean"}, "hydra.sweeper.pruner"),
        ({"direction": "up"}, "hydra.sweeper.direction"),
        ({"n_trials": 0}, "hydra.sweeper.n_trials"),
        ({"storage": "study.db"}, "hydra.sweeper.storage"),
    ],
)
def test_a_wrong_setting_is_reported_with_its_key(tmp_path, wrong, where):
    with pytest.raises(UserError) as caught:
        start(tmp_path, "x=interval(0.0, 1.0)", **wrong)
    assert caught.value.where == where


def test_each_trial_has_a_seed_of_its_own():
    assert len({mix(seed, number) for seed in (0, 1) for number in range(50)}) == 100
    assert mix(0, 3) == mix(0, 3)
