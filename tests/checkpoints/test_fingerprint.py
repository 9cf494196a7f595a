"""The digest by which a checkpoint is known."""

import torch

from chexpert.checkpoints import fingerprint, write_whole


def test_fingerprint_is_of_the_content(tmp_path):
    weights = torch.arange(4.0)
    for name in ("one", "same"):
        write_whole(tmp_path / name, {"state_dict": {"w": weights}, "global_step": 3})
    weights[3] = 3.0000002
    write_whole(tmp_path / "other", {"state_dict": {"w": weights}, "global_step": 3})
    write_whole(tmp_path / "later", {"state_dict": {"w": torch.arange(4.0)}, "global_step": 4})
    one, same, other, later = (fingerprint(tmp_path / name) for name in ("one", "same", "other", "later"))
    assert one == same
    assert len({one, other, later}) == 3
