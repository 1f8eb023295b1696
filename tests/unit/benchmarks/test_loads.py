"""The loads' applications answer what the loads expect, in every framework."""

import io
import math

import pytest

from benchmarks import apps, framework_apps
from benchmarks.loads import all_loads
from benchmarks.servers import SERVERS
from benchmarks.wrk import SCRIPTS
from tests.support.wsgi import call

LOADS = all_loads()
each_load = pytest.mark.parametrize("load", LOADS, ids=lambda load: load.name)


@pytest.mark.parametrize("framework", framework_apps.FRAMEWORKS)
def test_each_framework_greets(framework: str) -> None:
    """The comparison is between equal answers."""
    answer = call(getattr(framework_apps, f"{framework}_10"), path="/")
    assert answer.status == "200 OK"
    assert answer.body == apps.GREETING


@pytest.mark.parametrize("framework", [name for name in framework_apps.FRAMEWORKS if name != "bare"])
def test_each_framework_routes_to_the_last_section(framework: str) -> None:
    """N routes are N routes, and the parameter arrives."""
    application = getattr(framework_apps, f"{framework}_10")
    assert call(application, path="/section9/item/42").body == b"42\n"
    assert call(application, path="/section10/item/42").status.startswith("404")


def test_the_route_script_visits_every_tenth_of_the_table() -> None:
    """Its multiplier has no factor in common with 10 or 10,000, so no route is left out."""
    assert math.gcd(7919, 10_000) == 1


def test_the_upload_application_counts_what_it_read() -> None:
    """A body that ends early is not answered as if it had been whole."""
    whole = call(apps.upload, "POST", body=bytes(100_000), CONTENT_LENGTH="100000")
    assert whole.body == b"100000\n"
    cut = call(apps.upload, "POST", body=io.BytesIO(bytes(70_000)), CONTENT_LENGTH="100000")
    assert cut.body == b"70000\n"


@each_load
def test_contenders_are_known_and_unique(load: object) -> None:
    """A table has one row a contender."""
    contenders = getattr(load, "contenders", ())
    names = [contender.name for contender in contenders]
    assert len(set(names)) == len(names)
    assert {contender.server for contender in contenders} <= {server.name for server in SERVERS}


@each_load
def test_scripts_exist_and_print_the_summary(load: object) -> None:
    """Without the summary's line a run has no figures."""
    script = SCRIPTS / str(getattr(load, "script", ""))
    assert 'dofile("summary.lua")' in script.read_text()
