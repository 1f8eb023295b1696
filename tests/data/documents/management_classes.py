from management_app import my_app

from wiverno import create_server

server = create_server(my_app, host='0.0.0.0', port=8080)

try:
    print(f"Server running on {server.effective_host}:{server.effective_port}")
    server.run()
except KeyboardInterrupt:
    print("Shutting down...")
    server.close()
