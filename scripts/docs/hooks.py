"""Hooks of mkdocs: pages of the top folder become pages of the site, and no page of it asks another host for a file."""

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

TOP = Path(__file__).parents[2]
BUILD = TOP / "build"
TOP_PAGES = ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "UPGRADING.md")
PAGES = {name: f"project/{name.lower()}" for name in TOP_PAGES}
"""Where the site has the pages that a code host expects in the top folder."""
FOREIGN = re.compile(r"<(script|link)\b[^>]*\b(?:src|href)=\"(?:https?:)?//[^>]*>(?:\s*</script>)?")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages of the top folder; show notebooks with their outputs where ``make docs`` has executed them."""
    for name, place in PAGES.items():
        files.append(File.generated(config, place, content=(TOP / name).read_text(encoding="utf-8")))
    for notebook in (file for file in files if file.src_uri.endswith(".ipynb")):
        if (BUILD / notebook.src_uri).is_file():
            wrapped: Any = notebook  # by mkdocs-jupyter
            wrapped.file.src_dir = str(BUILD)
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links at where the site has a page; a relative link is right on a code host only."""
    if page.file.src_uri in PAGES.values():
        beside = re.sub(r"\]\(docs/", "](../", markdown)
        return re.sub(r"\]\(([A-Z]+\.md)", lambda link: f"]({link[1].lower()}", beside)
    depth = "../" * page.file.src_uri.count("/")
    for name, place in PAGES.items():
        markdown = markdown.replace(f"]({depth}../{name}", f"]({depth}{place}")
    return markdown


def on_post_page(output: str, **_: Any) -> str:
    """Drop what would be loaded from another host, such as the mathematics of notebooks."""
    return FOREIGN.sub("", output)
