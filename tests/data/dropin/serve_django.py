"""The script that Django's users write for waitress."""

from proj.wsgi import application

from wiverno import serve

if __name__ == "__main__":
    serve(application, listen="*:0")
