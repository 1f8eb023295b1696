"""`wiverno init NAME`: a new project that runs and whose own tests pass."""

from pathlib import Path

import click

from wiverno.cli.exit import FAILURE, MISTAKE, end
from wiverno.dev.create import create_project


@click.command()
@click.argument("path", metavar="NAME", type=click.Path())
def init(path: str) -> None:
    """Write a new project: application, configurations, tests, Makefile.

    NAME is the new folder; its last part is the project's name.
    """
    try:
        written = create_project(path)
    except (ValueError, FileExistsError) as error:
        end(str(error), MISTAKE)
    except OSError as error:
        end(f"{path} can't be written: {error.strerror or error}", FAILURE)
    for file in written:
        click.echo(f"  {file}")
    folder = Path(path)
    click.echo(f"\nNext: cd {folder}; wiverno run dev   (and: make test)")
