"""The import path of the framework's application: `from wiverno.main import Wiverno`."""

from wiverno.web.application import ErrorPage as ErrorPage
from wiverno.web.application import Wiverno as Wiverno

__all__ = ["ErrorPage", "Wiverno"]
