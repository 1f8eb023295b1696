from management_app import my_app, serve

# Unix socket (Linux/macOS)
serve(my_app, unix_socket='/tmp/waitress.sock')
