"""The packaged demonstration: a page that says what serves it and with which settings, and a few routes to play with.

It is written with the framework as any application would be, and served by ``make run``.
"""

from wiverno.demo.application import create_app

__all__ = ["create_app"]
