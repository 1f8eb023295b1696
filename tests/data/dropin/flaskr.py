"""A Flask application as its tutorial has it: an application factory, and the application itself."""

from flask import Flask


def create_app() -> Flask:
    app = Flask(__name__)

    @app.route("/")
    def hello() -> str:
        return "Hello, Flask!"

    return app


app = create_app()
