from wiverno.main import Wiverno
from wiverno.core.server import RunServer

app = Wiverno()


@app.get("/")
def home(request):
    return "200 OK", "<html><body>Hello!</body></html>"


if __name__ == "__main__":
    server = RunServer(app, host="localhost", port=8000)
    server.start()
