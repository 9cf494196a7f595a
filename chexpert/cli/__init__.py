"""The command ``chexpert``: a module for each of its commands, with ``add_arguments`` and ``run``.

Nothing here imports torch, Hydra or pandas before the arguments are read, so that ``--help`` and errors are quick.
"""
