from typing import Any


def includeme(config: Any) -> None:
    config.add_route("home", "/")
    config.add_route("upload", "/upload")
