import logging
from wiverno.main import Wiverno
from wiverno.core.server import RunServer

# Configure logging
logging.basicConfig(
    level=logging.INFO,
    format='%(asctime)s - %(name)s - %(levelname)s - %(message)s',
)

app = Wiverno()


@app.get("/")
def home(request):
    return "200 OK", "Home"


@app.get("/api/health")
def health(request):
    return "200 OK", '{"status": "ok"}'


if __name__ == "__main__":
    server = RunServer(
        app,
        host="0.0.0.0",
        port=8000,
        request_queue_size=10,  # Handle more concurrent connections
    )
    try:
        server.start()
    except OSError as e:
        logging.error(f"Failed to start server: {e}")
    except KeyboardInterrupt:
        logging.info("Server stopped by user")
