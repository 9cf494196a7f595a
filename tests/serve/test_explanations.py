"""The viewer's maps are those of ``chexpert explain``; their progress is reported, and they can be canceled."""

import json

import numpy as np
import pytest

import chexpert
from chexpert.report.html.overlay import encode, spread
from chexpert.serve.job_queue import Job, JobCancelledError


def ask(client, content, **query) -> list[dict]:
    found = client.ask("/api/explanations", content, params=query)
    assert found.status_code == 200, found.text
    return [json.loads(line) for line in found.text.splitlines()]


@pytest.mark.parametrize("method", ["gradcam", "hirescam", "occlusion"])
def test_map_is_that_of_the_command(client, run, images, method):
    *progress, last = ask(client, images[0].read_bytes(), method=method, observation="Edema")
    expected = chexpert.open_run(run).explain(images[0], method, "Edema")
    view, signed = expected.view, expected.attribution.signed
    raw = spread(signed, view.matrix, view.original.shape[::-1])
    from chexpert.explain.plots import find_scale

    scale = find_scale([expected])
    assert last["result"]["map"] == encode(np.clip(raw / scale.limit, -1, 1))
    assert last["result"]["probability"] == expected.probability
    assert (last["result"]["method"], last["result"]["observation"]) == (method, "Edema")
    assert progress
    assert all(0 <= line["progress"] <= 1 for line in progress)


def test_explainers_that_work_are_listed_with_their_passes(client):
    found = {one["name"]: one["passes"] for one in client.ask("/api/run").json()["methods"]}
    assert list(found)[:2] == ["gradcam", "hirescam"]
    assert {"occlusion", "lime", "rise"} <= set(found)
    assert not {"random", "latent_shift", "patch_logits"} & set(found)
    assert found["occlusion"] > found["gradcam"]


@pytest.mark.parametrize("query", [
    {}, {"method": "gradcam"}, {"method": "gradcam", "observation": "Edmea"},
    {"method": "../x", "observation": "Edema"},
    {"method": "random", "observation": "Edema"},
])  # fmt: skip
def test_unknown_method_or_observation_is_refused(client, images, query):
    found = client.ask("/api/explanations", images[0].read_bytes(), params=query)
    assert (found.status_code, found.json()["code"]) == (400, "choice")


def test_unreadable_image_is_the_last_line(client):
    *_, last = ask(client, b"no image", method="gradcam", observation="Edema")
    assert last["code"] == "unreadable-image"
    assert "\n" not in last["error"]


def test_canceled_explanation_ends_at_its_next_pass(model, images):
    job, content, passed = Job(), images[0].read_bytes(), []
    member = next(iter(model.model.members.values()))

    def stop(module, inputs):
        passed.append(len(inputs[0]))
        job.cancel()

    hook = member.register_forward_pre_hook(stop)
    try:
        with pytest.raises(JobCancelledError):
            model.explain(content, "occlusion", "Edema", job)
    finally:
        hook.remove()
    assert sum(passed) < model.explainers.by_name["occlusion"].passes(1)
    assert not member._forward_pre_hooks


def test_prediction_is_the_same_after_an_explanation(model, images):
    content = images[0].read_bytes()
    before = model.predict(content)
    model.explain(content, "gradcam", "Edema", Job())
    assert model.predict(content) == before
