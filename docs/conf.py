"""How Sphinx builds these pages: `make docs`. Markdown by MyST; every warning, a dead link among them, is an error."""

from wiverno import __version__

project = "wiverno"
author = "The wiverno maintainers"
copyright = "The wiverno maintainers"  # noqa: A001  # Sphinx's name
release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinxcontrib.mermaid", "sphinx_copybutton"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["build"]
myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_google_docstring = True
napoleon_numpy_docstring = False

copybutton_prompt_text = "$ "
copybutton_only_copy_prompt_lines = True

html_theme = "furo"
html_title = f"wiverno {release}"
html_show_sphinx = False
