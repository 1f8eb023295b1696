import wiverno


def my_app(environ, start_response):
    # Your WSGI application
    status = '200 OK'
    headers = [('Content-type', 'text/plain')]
    start_response(status, headers)
    return [b'Hello World']


# Profile the server startup and initial request handling
wiverno.profile(
    "wiverno.serve(my_app, port=8080)",
    globals(),
    locals(),
    sort_order=('cumulative', 'time'),
    callers=False
)
