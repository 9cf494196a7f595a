"""Tests that imitate other systems; what lies in without_posix/ is for their own interpreters."""

collect_ignore = ["without_posix", "checks_there.py", "train_there.py", "pretended_device.py"]
