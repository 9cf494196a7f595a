"""Run folders: the names and formats of their files, the state of a run, and whether it can be resumed."""
