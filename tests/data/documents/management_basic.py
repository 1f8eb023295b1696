from management_app import my_app, serve

# Basic usage
serve(my_app)
