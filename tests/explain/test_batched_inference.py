import re

import pytest
import torch
from helpers.errors import raises
from helpers.known_answers import Weighted, make_weights

from chexpert.explain import batched_inference
from chexpert.explain.batched_inference import Probe, estimate_seconds
from chexpert.models import Backbone, Single

LIKE = torch.zeros(1, 8, 8, dtype=torch.uint8)


def write(start: int, buffer: torch.Tensor) -> None:
    """Image number i is all of gray i."""
    buffer[:] = torch.arange(start, start + len(buffer)).view(-1, 1, 1, 1)


class Crowded(Weighted):
    """Has memory for a few images only."""

    def __init__(self, most: int) -> None:
        super().__init__(make_weights(8, 1))
        self.most = most

    def feature_maps(self, images):
        if len(images) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().feature_maps(images)


def test_logits_keep_the_order_of_images_at_any_chunk_size():
    model = Weighted(make_weights(8, 1))
    expected = torch.arange(37)[:, None] / 255 * model.weights.detach().sum((1, 2))
    for size in (1, 7, 37, 100):
        logits = Probe(batch_size=size)(model, 37, write, LIKE)
        assert (logits - expected).abs().max() < 1e-5


def test_network_gives_equal_logits_at_any_chunk_size():
    torch.manual_seed(0)
    model = Single(Backbone("resnet10t"), outputs=3)
    like = torch.zeros(1, 32, 32, dtype=torch.uint8)
    one, all_at_once = (Probe(batch_size=size)(model, 9, write, like) for size in (1, 9))
    assert (one - all_at_once).abs().max() < 1e-5


def test_one_buffer_is_reused():
    places = set()
    Probe(batch_size=4)(Weighted(make_weights(8, 1)), 20, lambda start, buffer: places.add(buffer.data_ptr()), LIKE)
    assert len(places) == 1


def test_chunk_size_follows_from_the_memory_of_one_image():
    model = Weighted(make_weights(8, 1))  # 256 bytes an image as float, as much again in the division
    Probe(memory=5 * 512 / 2**20)(model, 20, write, LIKE)
    first, *chunks = model.seen
    assert first == 1
    assert chunks[0] in (4, 5)


def test_cpu_passes_have_at_most_16_images():
    model = Weighted(make_weights(8, 1))
    Probe()(model, 40, write, LIKE)
    assert model.seen == [1, 16, 16, 8]


def test_chunks_are_halved_where_memory_runs_out(capsys):
    model = Crowded(most=3)
    logits = Probe(batch_size=16)(model, 20, write, LIKE)
    expected = torch.arange(20)[:, None] / 255 * model.weights.detach().sum((1, 2))
    assert (logits - expected).abs().max() < 1e-5
    assert set(model.seen) == {2}
    assert re.findall(r"\d+", capsys.readouterr().err) == ["8", "4", "2"]


def test_no_memory_for_one_image_is_an_error():
    with raises("out-of-memory", "lime"):
        Probe(batch_size=4, title="lime")(Crowded(most=0), 4, write, LIKE)


def test_other_errors_are_raised_and_the_mode_is_restored():
    model = Weighted(make_weights(8, 1)).train()
    with pytest.raises(RuntimeError):
        Probe()(model, 3, write, torch.zeros(1, 5, 5, dtype=torch.uint8))
    assert model.training


def test_progress_is_shown_for_many_images_only(monkeypatch):
    shown = []
    monkeypatch.setattr(
        batched_inference, "show_progress", lambda results, title, *_, **__: shown.append(title) or results
    )
    for count in (batched_inference.MANY - 1, batched_inference.MANY):
        Probe(title=str(count))(Weighted(make_weights(8, 1)), count, write, LIKE)
    assert shown == [str(batched_inference.MANY)]


def test_estimate_is_the_time_of_a_chunk_times_their_number(monkeypatch):
    clock = iter([10.0, 14.0])
    monkeypatch.setattr(batched_inference.time, "perf_counter", lambda: next(clock))
    model = Weighted(make_weights(8, 1))
    assert estimate_seconds(model, LIKE, 160) == pytest.approx(40)  # 4 seconds for 16 images
    assert model.seen == [1, 16, 16]


def test_estimate_of_no_passes_is_zero_without_a_pass():
    model = Weighted(make_weights(8, 1))
    assert estimate_seconds(model, LIKE, 0) == 0
    assert model.seen == []
