from runserver_constructor import RunServer, app

import logging

logging.basicConfig(level=logging.INFO)
server = RunServer(app, host="0.0.0.0", port=8000)
server.start()  # Blocks until interrupted
