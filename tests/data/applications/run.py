"""What `wiverno run dev` and `wiverno run prod` look for."""

from wiverno.main import Wiverno

app = Wiverno()
other = Wiverno()


@app.get("/")
def home(request):
    return "200 OK", "<h1>run.py</h1>"


@app.get("/users/{id:int}")
def user(request):
    return "200 OK", "user"


@other.get("/")
def other_home(request):
    return "200 OK", "the other one"
