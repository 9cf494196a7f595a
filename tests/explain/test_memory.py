import pytest
import torch

from chexpert.explain.batched_inference import is_out_of_memory, peak_bytes

MIB = 2**20


def test_peak_is_the_largest_size_alive_at_once():
    def chain():
        for _ in range(5):
            torch.empty(MIB, dtype=torch.uint8)  # each is freed before the next is made

    assert peak_bytes(chain) == MIB


def test_kept_tensors_add_up():
    assert peak_bytes(lambda: [torch.empty(MIB, dtype=torch.uint8) for _ in range(5)]) == 5 * MIB


def test_operands_and_result_are_counted_together():
    def add():
        a, b = torch.empty(MIB), torch.empty(MIB)  # 4 MiB each
        return a + b

    assert peak_bytes(add) == 12 * MIB


def test_views_and_changes_in_place_cost_nothing():
    before = torch.ones(MIB)

    def work():
        before.t()[3:].reshape(-1, 1)
        torch.empty(MIB, dtype=torch.uint8).add_(1).view(2, -1)

    assert peak_bytes(work) == MIB


def test_tensors_kept_for_the_backward_pass_are_counted():
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
def test_out_of_memory_is_recognized_on_each_device(error):
    assert is_out_of_memory(error)
    assert not is_out_of_memory(RuntimeError("shapes do not match"))
