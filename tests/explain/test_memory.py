import pytest
import torch

from chexpert.explain.batched_inference import is_out_of_memory, peak_bytes

MIB = 2**20


def test_the_peak_is_what_was_alive_at_once():
    def chain():
        for _ in range(5):
            torch.empty(MIB, dtype=torch.uint8)  # each is freed before the next is made

    assert peak_bytes(chain) == MIB


def test_tensors_that_are_kept_add_up():
    assert peak_bytes(lambda: [torch.empty(MIB, dtype=torch.uint8) for _ in range(5)]) == 5 * MIB


def test_operands_and_result_are_alive_together():
    def add():
        a, b = torch.empty(MIB), torch.empty(MIB)  # 4 MiB each
        return a + b

    assert peak_bytes(add) == 12 * MIB


def test_views_changes_in_place_and_what_was_there_before_cost_nothing():
    before = torch.ones(MIB)

    def work():
        before.t()[3:].reshape(-1, 1)
        torch.empty(MIB, dtype=torch.uint8).add_(1).view(2, -1)

    assert peak_bytes(work) == MIB


def test_what_autograd_keeps_for_the_backward_pass_is_counted():
    leaf = torch.ones(MIB // 4, requires_grad=True)  # 1 MiB

    def forward():
        for _ in range(4):
            (leaf.exp() * 1).sum()

    def kept():
        sum((leaf.exp().exp().exp()).sum() for _ in range(2))

    assert peak_bytes(forward) < 3 * MIB + 1000
    assert peak_bytes(kept) >= 6 * MIB


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_out_of_memory_is_known_on_every_device(error):
    assert is_out_of_memory(error)
    assert not is_out_of_memory(RuntimeError("shapes do not match"))
