"""A Flask application from its factory, behind wiverno."""

from typing import Any

from flask import Flask, jsonify, request


def create_app(**settings: Any) -> Flask:
    """Return the application; the arguments are the keys of [app.settings]."""
    app = Flask(__name__)
    app.config.from_mapping({key.upper(): value for key, value in settings.items()})

    @app.get("/")
    def home() -> str:
        return f"{app.config['SHOP_NAME']} greets {request.args.get('name', 'you')}"

    @app.post("/orders")
    def order() -> Any:
        wanted = request.get_json()
        return jsonify(ordered=wanted["item"], amount=wanted.get("amount", 1)), 201

    return app
