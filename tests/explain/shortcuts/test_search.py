import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from chexpert.explain.shortcuts import Evidence, Search, find_suspects, plot_images
from chexpert.explain.shortcuts.picture import TRUTHS
from chexpert.explain.shortcuts.search import bootstrap_tie, find_overlap, find_tie

HEARTS, DEVICES = "Cardiomegaly", "Support Devices"


@pytest.fixture
def evaluate(even_map):
    """The one pair of a search on these splits."""

    def evaluate(model, splits, without=None):
        search = Search(model, [HEARTS], Evidence(splits, without or {}))
        (pair,) = search.run([HEARTS], [DEVICES], even_map)["pairs"]
        return pair

    return evaluate


def test_filling_reveals_a_model_that_reads_the_device(evaluate, reads_device, make_cases):
    pair = evaluate(reads_device, {"matched": make_cases(26, 4)})
    assert pair["alarm"]
    assert pair["by"] == "above_control"
    # the device's 36 pixels fall from 240 to the 100 around them: 4 * 140 / 255 of the logit
    assert pair["inpainted"]["value"] == pytest.approx(4 * 140 / 255 / spread(reads_device, make_cases(26, 4)), rel=0.1)
    assert pair["above_control"]["value"] == pytest.approx(pair["inpainted"]["value"], abs=0.05)


def test_counterfactual_reveals_a_model_that_reads_the_device(evaluate, reads_device, make_cases, without_device):
    pair = evaluate(reads_device, {"matched": make_cases(26, 4)}, without_device)
    assert pair["alarm"]
    assert pair["by"] == "counterfactual"
    assert pair["effect"]["n"] == 30


@pytest.mark.parametrize("counterfactual", [False, True])
def test_model_that_reads_the_heart_raises_no_alarm(evaluate, reads_heart, make_cases, without_device, counterfactual):
    splits = {"matched": make_cases(26, 4), "reversed": make_cases(4, 26)}
    pair = evaluate(reads_heart, splits, without_device if counterfactual else {})
    assert not pair["alarm"]
    assert "effect" in pair["lacking"]
    assert pair["auroc_fall"]["value"] == 0


def test_fall_of_the_auroc_confirms_the_device(evaluate, reads_device, make_cases):
    pair = evaluate(reads_device, {"matched": make_cases(26, 4), "reversed": make_cases(4, 26)})
    assert pair["alarm"]
    assert pair["auroc_fall"]["value"] > 0.5
    assert pair["ties"]["matched"] == pytest.approx(22 / 30)
    assert pair["ties"]["reversed"] == pytest.approx(-22 / 30)


def test_device_without_a_tie_to_the_finding_is_no_shortcut(evaluate, reads_device, make_cases):
    pair = evaluate(reads_device, {"matched": make_cases(15, 15)})
    assert pair["lacking"] == ["tie"]


def test_auroc_of_each_split_uses_its_own_images(reads_heart, make_cases, even_map):
    splits = {"matched": make_cases(26, 4), "independent": make_cases(15, 15)[:20]}
    aurocs = Search(reads_heart, [HEARTS], Evidence(splits)).run([HEARTS], [DEVICES], even_map)["aurocs"][HEARTS]
    assert (aurocs["matched"]["n"], aurocs["matched"]["positives"]) == (60, 30)
    assert (aurocs["independent"]["n"], aurocs["independent"]["positives"]) == (20, 10)


def test_even_map_has_mass_over_area_1_everywhere(reads_heart, make_cases, even_map):
    content = Search(reads_heart, [HEARTS], Evidence({"matched": make_cases(26, 4)})).run([HEARTS], [DEVICES], even_map)
    values = [content["pairs"][0]["mass_over_area"], *content["places"][HEARTS].values()]
    assert [interval["value"] for interval in values] == pytest.approx([1, 1, 1, 1])


def test_model_that_reads_the_heart_raises_no_alarm_where_the_device_lies_on_it(evaluate, reads_heart, make_cases):
    cases = make_cases(26, 4)
    heart = next(case.regions[HEARTS] for case in cases if HEARTS in case.regions)
    over = [replace(case, regions={DEVICES: heart} if DEVICES in case.regions else {}) for case in cases]
    pair = evaluate(reads_heart, {"matched": over})
    assert pair["inpainted"]["value"] > 1  # every hole there moves the logit
    assert pair["above_control"]["value"] == pytest.approx(0, abs=0.05)
    assert "effect" in pair["lacking"]


def test_suspect_is_no_observation_of_its_own_controls(reads_device, make_cases, even_map):
    cases = [replace(case, labels={**case.labels, DEVICES: int(DEVICES in case.regions)}) for case in make_cases(26, 4)]
    search = Search(Two(reads_device), [HEARTS, DEVICES], Evidence({"matched": cases}))
    search.run([HEARTS, DEVICES], [DEVICES], even_map)
    controls = search.effects[DEVICES].controls
    assert np.isfinite(controls[..., 0]).any()
    assert np.isnan(controls[..., 1]).all()


def test_related_or_overlapping_finding_is_no_suspect(reads_device, make_cases, even_map):
    cases = make_cases(26, 4)
    for case in cases:
        if DEVICES in case.regions:
            case.regions["Enlarged Cardiomediastinum"] = case.regions[DEVICES]
            case.regions["box"] = case.regions[DEVICES]
            case.regions.setdefault(HEARTS, case.regions[DEVICES])
    suspects = ["Enlarged Cardiomediastinum", "box"]
    pairs = Search(reads_device, [HEARTS], Evidence({"matched": cases})).run([HEARTS], suspects, even_map)["pairs"]
    assert [(pair["tied"], pair["alarm"]) for pair in pairs] == [(True, False), (False, True)]
    for case in cases:
        if "box" in case.regions:
            case.regions[HEARTS] = case.regions["box"]
    (pair,) = Search(reads_device, [HEARTS], Evidence({"matched": cases})).run([HEARTS], ["box"], even_map)["pairs"]
    assert (pair["tied"], pair["alarm"]) == (True, False)


def test_findings_are_suspects_only_if_named(make_cases):
    cases = make_cases(26, 4)
    assert find_suspects(cases) == [DEVICES]
    assert find_suspects(cases, {HEARTS, "marker"}) == [HEARTS, DEVICES]


def test_overlap_and_tie_of_known_cases(make_cases):
    cases = make_cases(30, 0)
    assert find_tie(cases, HEARTS, DEVICES) == pytest.approx(1)
    assert np.isnan(find_tie(cases, HEARTS, "marker"))
    assert find_overlap(cases, HEARTS, DEVICES) == 0
    assert find_overlap(cases, HEARTS, HEARTS) == 1


def test_tie_has_an_interval_over_the_images(make_cases):
    cases = make_cases(20, 10)
    tie, few = bootstrap_tie(cases, HEARTS, DEVICES), bootstrap_tie(cases[:12], HEARTS, DEVICES)
    pairs = [(case.labels[HEARTS], DEVICES in case.regions) for case in cases]
    assert tie.value == pytest.approx(np.corrcoef(np.transpose(pairs))[0, 1])
    assert tie.ci_high - tie.ci_low == pytest.approx(2 * 1.96 * (1 - tie.value**2) / 60**0.5, rel=0.15)
    assert np.isnan(few.value)
    assert bootstrap_tie([], HEARTS, DEVICES).n == 0


def test_picture_has_five_columns_with_probabilities_and_truth(reads_device, make_cases, without_device, even_map):
    search = Search(reads_device, [HEARTS], Evidence({"matched": make_cases(26, 4)}, without_device))
    search.run([HEARTS], [DEVICES], even_map)
    figure = plot_images(search, even_map, HEARTS, DEVICES, "counterfactual")
    titles = [axes.get_title() for axes in figure.axes]
    assert len(titles) == 20
    first, last = (float(re.search(r"0\.\d\d", title)[0]) for title in (titles[0], titles[4]))
    assert first == pytest.approx(0.85, abs=0.011)  # 1 / (1 + exp(-(4 * 240 / 255 - 2)))
    assert last == pytest.approx(0.39, abs=0.011)  # of gray 100
    assert titles[0].endswith(TRUTHS[1])
    assert re.findall(r"\d+", figure.get_suptitle()) == ["4", "30"]  # images in the picture, and in all
    assert HEARTS in figure.get_suptitle()
    assert DEVICES in figure.get_suptitle()
    assert len(figure.legends[0].get_texts()) == 2


class Two(torch.nn.Module):
    """A model with the output of another one twice."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        return self.model(images).expand(-1, 2)


def spread(model, cases):
    with torch.no_grad():
        return model(torch.stack([torch.from_numpy(case.image)[None] for case in cases]))[:, 0].numpy().std()
