"""A search of a fake task, launched in this process."""

import itertools
from types import SimpleNamespace

import optuna
import pytest
import yaml
from helpers.errors import raises
from hydra.core.utils import JobReturn, JobStatus
from omegaconf import OmegaConf
from optuna.trial import TrialState

from chexpert.signals import PrunedError
from chexpert.sweep.result import overrides_of, summarize_best
from chexpert.sweep.space import parse_space
from chexpert.sweep.study import mix, open_storage
from chexpert.sweep.sweeper import SearchSettings, find_left, search

SETTINGS = {"n_trials": 6, "n_jobs": 2, "direction": "maximize", "sampler": "tpe", "seed": 0, "pruner": "median",
            "storage": None, "study_name": "search", "params": {}}  # fmt: skip
GRID = ["x=range(3)", "y=good,bad"]


class Sweeper:
    """Stands for Hydra's: runs jobs at once by a function of their settings, and keeps them."""

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
    return search(SearchSettings(**SETTINGS | settings), arguments, sweeper), sweeper


def read_trials(folder):
    return optuna.load_study(study_name="search", storage=open_storage(f"journal:{folder}.log")).trials


def test_grid_runs_each_job_once_and_saves_the_best(tmp_path, capsys):
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
    assert printed.count("bad on purpose") == 3
    assert "chexpert train seed=3 x=2 y=good" in printed


def test_jobs_without_a_number_fail_and_pruned_jobs_are_pruned(tmp_path):
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
    assert ["nan" in trials["a"].user_attrs["error"], "None" in trials["b"].user_attrs["error"]] == [True, True]


def test_jobs_receive_the_place_of_their_trial(tmp_path):
    _, sweeper = start(tmp_path, "x=interval(0.0, 1.0)", n_trials=2, storage=None)
    storage = f"sqlite:///{tmp_path}/study.db"
    assert [given["trial"] for _, given in sweeper.launched] == [
        f"{{storage:'{storage}',study:'search',number:{number},pruner:median}}" for number in (0, 1)
    ]


@pytest.mark.parametrize("sampler", ["tpe", "random", "grid"])
@pytest.mark.parametrize("stop_at", [3, 4])
def test_stopped_search_resumes_with_the_same_trials(tmp_path, sampler, stop_at):
    """It was killed in or before its second batch: reported trials do not run again, others keep their settings."""
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


def test_search_may_be_extended_but_not_changed(tmp_path):
    start(tmp_path, "x=interval(0.0, 1.0)", "resume=null", n_trials=2)
    _, sweeper = start(tmp_path, "x=interval(0.0, 1.0)", "resume=auto", n_trials=3, n_jobs=1)
    assert [number for number, _ in sweeper.launched] == [2]
    with raises("other-config", "study search") as caught:
        start(tmp_path, "x=interval(0.0, 2.0)")
    assert "high=2.0" in caught.value.message
    with raises("other-config", "study search") as caught:
        start(tmp_path, "x=interval(0.0, 1.0)", direction="minimize")
    assert "direction: minimize" in caught.value.message


def test_trial_stopped_while_it_was_sampled_is_not_launched(tmp_path):
    start(tmp_path, "x=interval(0.0, 1.0)", n_trials=1)
    optuna.load_study(study_name="search", storage=open_storage(f"journal:{tmp_path}.log")).ask()
    _, sweeper = start(tmp_path, "x=interval(0.0, 1.0)", n_trials=3)
    assert [number for number, _ in sweeper.launched] == [2]
    assert read_trials(tmp_path)[1].state == TrialState.FAIL
    assert read_trials(tmp_path)[1].user_attrs["error"]


def test_killed_worker_fails_only_its_own_trial(tmp_path):
    class Losing(Sweeper):
        def launch(self, jobs, initial_job_idx):
            if any("y=bad" in job for job in jobs):
                raise RuntimeError("a worker was killed")
            return super().launch(jobs, initial_job_idx)

    sweeper = Losing(tmp_path, square)
    settings = SETTINGS | {"sampler": "grid", "n_jobs": 6, "storage": f"journal:{tmp_path}.log"}
    assert search(SearchSettings(**settings), GRID, sweeper) == 0
    states = [(trial.params["y"], trial.state) for trial in read_trials(tmp_path)]
    assert all(state == (TrialState.FAIL if y == "bad" else TrialState.COMPLETE) for y, state in states)


def test_search_without_a_value_is_an_error(tmp_path):
    with raises("no-result", tmp_path) as caught:
        start(tmp_path, "y=choice(bad)", "x=range(2)", sampler="grid")
    assert "bad on purpose" in caught.value.message


def test_minimizing_search_returns_the_least(tmp_path):
    best, _ = start(tmp_path, "x=range(0, 9)", sampler="grid", n_trials=9, direction="minimize")
    assert best == -36


@pytest.mark.parametrize(
    ("key", "value", "code"),
    [
        ("sampler", "tpes", "choice"),
        ("pruner", "mean", "choice"),
        ("direction", "up", "choice"),
        ("n_trials", 0, "value"),
        ("storage", "study.db", "storage"),
    ],
)
def test_wrong_setting_is_an_error(tmp_path, key, value, code):
    with raises(code, f"hydra.sweeper.{key}"):
        start(tmp_path, "x=interval(0.0, 1.0)", **{key: value})


def test_each_trial_has_its_own_seed():
    assert len({mix(seed, number) for seed in (0, 1) for number in range(50)}) == 100
    assert mix(0, 3) == mix(0, 3)


def test_trials_of_an_older_search_have_the_names_of_today():
    study = optuna.create_study()
    sizes = {"data.size": optuna.distributions.IntDistribution(64, 96)}
    study.add_trial(optuna.trial.create_trial(params={"data.size": 64}, distributions=sizes, value=0.5))
    study.ask(sizes)
    ((running,),) = find_left(study, {"data.image_size": sizes["data.size"]})
    assert overrides_of(running)[0].startswith("data.image_size=")
    assert summarize_best(study, ["seed=1"])["overrides"] == ["seed=1", "data.image_size=64"]


def test_renamed_key_in_the_params_is_an_error():
    with raises("renamed-key", "hydra.sweeper.params") as caught:
        parse_space({"data.size": "choice(64, 96)"}, [])
    assert "data.image_size" in caught.value.hint
