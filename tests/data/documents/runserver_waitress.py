from waitress import serve
from wiverno.main import Wiverno

app = Wiverno()
# ... define routes ...

if __name__ == "__main__":
    serve(app, host='0.0.0.0', port=8000)
