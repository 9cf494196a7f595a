"""Tests that imitate other systems; their interpreters import without_posix/."""

collect_ignore = ["without_posix", "checks_there.py", "train_there.py", "pretended_device.py"]
