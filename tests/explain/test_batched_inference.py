import pytest
import torch
from helpers.known_answers import Weighted, make_weights

from chexpert.errors import UserError
from chexpert.explain import batched_inference as probing
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


def test_logits_come_in_the_order_of_the_films_and_the_chunk_does_not_matter():
    model = Weighted(make_weights(8, 1))
    expected = torch.arange(37)[:, None] / 255 * model.weights.detach().sum((1, 2))
    for size in (1, 7, 37, 100):
        logits = Probe(batch_size=size)(model, 37, write, LIKE)
        assert (logits - expected).abs().max() < 1e-5


def test_a_real_network_gives_the_same_in_any_chunk():
    torch.manual_seed(0)
    model = Single(Backbone("resnet10t"), outputs=3)
    like = torch.zeros(1, 32, 32, dtype=torch.uint8)
    one, all_at_once = (Probe(batch_size=size)(model, 9, write, like) for size in (1, 9))
    assert (one - all_at_once).abs().max() < 1e-5


def test_one_buffer_is_reused():
    places = set()
    Probe(batch_size=4)(Weighted(make_weights(8, 1)), 20, lambda start, buffer: places.add(buffer.data_ptr()), LIKE)
    assert len(places) == 1


def test_chunks_follow_from_the_memory_that_one_film_needs():
    model = Weighted(make_weights(8, 1))  # 256 bytes an image as float, as much again in the division
    Probe(memory=5 * 512 / 2**20)(model, 20, write, LIKE)
    first, *chunks = model.seen
    assert first == 1
    assert chunks[0] in (4, 5)


def test_at_most_16_films_a_pass_on_a_cpu():
    model = Weighted(make_weights(8, 1))
    Probe()(model, 40, write, LIKE)
    assert model.seen == [1, 16, 16, 8]


def test_chunks_are_halved_where_memory_runs_out_and_no_film_is_lost(capsys):
    model = Crowded(most=3)
    logits = Probe(batch_size=16)(model, 20, write, LIKE)
    expected = torch.arange(20)[:, None] / 255 * model.weights.detach().sum((1, 2))
    assert (logits - expected).abs().max() < 1e-5
    assert set(model.seen) == {2}
    assert "out of memory, continuing with 8 images a pass" in capsys.readouterr().err


def test_no_memory_for_a_single_film_is_told():
    with pytest.raises(UserError, match="no memory for one image"):
        Probe(batch_size=4, title="lime")(Crowded(most=0), 4, write, LIKE)


def test_another_error_passes_and_the_mode_is_restored():
    model = Weighted(make_weights(8, 1)).train()
    with pytest.raises(RuntimeError, match="size"):
        Probe()(model, 3, write, torch.zeros(1, 5, 5, dtype=torch.uint8))
    assert model.training


def test_progress_is_shown_for_many_films_only(monkeypatch):
    shown = []
    monkeypatch.setattr(probing, "show_progress", lambda results, title, *_, **__: shown.append(title) or results)
    for count in (probing.MANY - 1, probing.MANY):
        Probe(title=str(count))(Weighted(make_weights(8, 1)), count, write, LIKE)
    assert shown == [str(probing.MANY)]


def test_the_estimate_is_the_time_of_one_chunk_times_their_number(monkeypatch):
    clock = iter([10.0, 14.0])
    monkeypatch.setattr(probing.time, "perf_counter", lambda: next(clock))
    model = Weighted(make_weights(8, 1))
    assert estimate_seconds(model, LIKE, 160) == pytest.approx(40)  # 4 seconds for 16 images
    assert model.seen == [1, 16, 16]


def test_no_passes_take_no_time_and_none_is_tried():
    model = Weighted(make_weights(8, 1))
    assert estimate_seconds(model, LIKE, 0) == 0
    assert model.seen == []
