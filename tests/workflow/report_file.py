"""What Snakemake's report hands to its script, read back from the HTML file."""

import base64
import json
import re
from html import unescape
from typing import Any


class Report:
    """The report as its own script sees it."""

    def __init__(self, html: str) -> None:
        self.html = html
        self.results: dict[str, dict[str, Any]] = self.variable("results")
        self.categories: dict[str, dict[str, list[str]]] = self.variable("categories")

    def variable(self, name: str) -> Any:
        found = re.search(rf'<script id="[^"]+">\s*var {name} = (.*);$', self.html, re.MULTILINE)
        assert found is not None
        return json.loads(found[1])

    def caption(self, path: str) -> str:
        """Return the text of a caption without its markup, on one line."""
        return " ".join(unescape(re.sub(r"<[^>]*>", "", self.results[path]["caption"])).split())

    def content(self, path: str) -> bytes:
        return base64.b64decode(self.results[path]["data_uri"].split("base64,")[1])
