"""A Flask application whose pages load what Vite has built: `npm install && npm run build` writes it to built/.

wiverno serves built/ itself, under the base path of vite.config.js; Flask only writes the names into its pages.
"""

import json
from pathlib import Path
from typing import Any

from flask import Flask, render_template_string

BASE = "/static/"
BUILT = Path(__file__).with_name("built")

PAGE = """<!doctype html>
<html lang="en">
<title>Flask and Vite</title>
{% for name in entry.css %}<link rel="stylesheet" href="{{ base }}{{ name }}">
{% endfor %}<script type="module" src="{{ base }}{{ entry.file }}"></script>
<h1>Flask and Vite</h1>
<button>click</button>
</html>
"""


def create_app() -> Flask:
    """Return the application; the manifest is read once, because each build comes with a restart or a reload."""
    app = Flask(__name__, static_folder=None)
    manifest: dict[str, Any] = json.loads((BUILT / ".vite" / "manifest.json").read_text())

    @app.get("/")
    def home() -> str:
        return render_template_string(PAGE, base=BASE, entry=manifest["frontend/main.js"])

    return app
