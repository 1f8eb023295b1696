"""Applications as people write them, right and wrong, for tests that name one on the command line."""

nothing = None
number = 17


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"plain WSGI"]


def create_app(greeting="made by a factory"):
    def made(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [greeting.encode()]

    return made


def forgets_to_return():
    create_app()


def paste_app(global_conf, **settings):
    return create_app(str(settings))
