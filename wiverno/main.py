"""The import path of the framework's application: `from wiverno.main import Wiverno`."""

from wiverno.web.application import ErrorPage, Wiverno

__all__ = ["ErrorPage", "Wiverno"]
