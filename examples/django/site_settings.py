"""A Django project in one file: settings, one model-free view, and the WSGI application at the end."""

import os
from typing import Any

import django
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", __name__)

SECRET_KEY = os.environ.get("SECRET_KEY", "only for trying it out")
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = __name__
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"]
USE_TZ = True


def home(request: HttpRequest) -> HttpResponse:
    """Greet."""
    return HttpResponse(f"Django {django.get_version()} greets {request.META['REMOTE_ADDR']}")


def upload(request: HttpRequest) -> HttpResponse:
    """Say what arrived in a form."""
    return JsonResponse({name: file.size for name, file in request.FILES.items()})


urlpatterns: list[Any] = [path("", home), path("upload", upload)]

# Last, because Django reads this module's names as its settings when it starts.
application = get_wsgi_application()
