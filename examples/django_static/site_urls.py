"""The pages: one with a style sheet, and Django's administration."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template import engines
from django.urls import path

PAGE = """{% load static %}<!doctype html>
<html lang="en">
<title>Django</title>
<link rel="stylesheet" href="{% static 'site.css' %}">
<h1>Django</h1>
<p><a href="{% url 'admin:index' %}">Administration</a></p>
</html>
"""


def home(request: HttpRequest) -> HttpResponse:
    """Show a page with a style sheet."""
    return HttpResponse(engines["django"].from_string(PAGE).render({}, request))


urlpatterns = [path("", home), path("admin/", admin.site.urls)]
