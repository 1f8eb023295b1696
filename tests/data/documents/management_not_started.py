from management_app import my_app

from wiverno import create_server

# Create server without starting
server = create_server(my_app, _start=False, host='localhost', port=8080)

# Custom startup logic
print(f"Starting server on {server.effective_host}:{server.effective_port}")
server.run()  # Start the server loop
