"""Pages that open in a browser without a network: one self-contained file each."""

from chexpert.report.html.render import read_script, render_page

__all__ = ["read_script", "render_page"]
