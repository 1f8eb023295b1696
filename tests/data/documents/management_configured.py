from management_app import my_app, serve

# With configuration
serve(my_app, host='127.0.0.1', port=5000, threads=6)
