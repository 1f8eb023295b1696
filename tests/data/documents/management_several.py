from management_app import my_app

from wiverno import create_server

# Multiple servers
servers = []
for port in [8080, 8081, 8082]:
    server = create_server(my_app, port=port)
    servers.append(server)
