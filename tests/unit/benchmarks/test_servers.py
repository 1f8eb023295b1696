"""What the commands of the servers rest on."""

from pathlib import Path

from benchmarks.servers import SERVERS, Start


def test_uwsgi_gets_a_module_that_has_the_application(tmp_path: Path) -> None:
    """uWSGI finds no application that only a module's __getattr__ makes."""
    start = Start(
        application="benchmarks.framework_pages:flask_app",
        port=8000,
        connections=64,
        is_closing=False,
        is_secure=False,
        is_http2=False,
        access_log=None,
        workspace=tmp_path,
    )
    command = next(server for server in SERVERS if server.name == "uwsgi").command(start)
    assert command[command.index("--module") + 1] == "uwsgi_app"
    assert command[command.index("--pythonpath") + 1] == str(tmp_path)
    text = (tmp_path / "uwsgi_app.py").read_text()
    assert text == "from benchmarks.framework_pages import flask_app as application\n"
