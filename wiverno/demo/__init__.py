"""The packaged demonstration: a page about the server and its settings, and a few routes to try.

It is written with the framework as any application would be, and served by ``make run``.
"""

from wiverno.demo.application import create_app

__all__ = ["create_app"]
