"""Django, for both of its interfaces."""

from __future__ import annotations

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.handlers.asgi import ASGIRequest
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.urls import path
from django.views.static import serve

import kmproxy
from frameworks.apps import content
from kmproxy.asgi import KmproxyMiddleware as AsgiMiddleware
from kmproxy.wsgi import KmproxyMiddleware as WsgiMiddleware

settings.configure(SECRET_KEY="of a test", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__)


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(content.PAGE)


def who(request: HttpRequest) -> JsonResponse:
    return JsonResponse(content.said(request, request.META["QUERY_STRING"]))


def login(request: HttpRequest) -> HttpResponseRedirect:
    kmproxy.visitor(request).identify(request.GET["name"])
    return HttpResponseRedirect("/")


def join(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.POST["plan"])


def slow(request: HttpRequest) -> StreamingHttpResponse:
    parts = content.parts() if isinstance(request, ASGIRequest) else content.parts_blocking()
    return StreamingHttpResponse(parts)


urlpatterns = [
    path("", page),
    path("who", who),
    path("login", login),
    path("join", join),
    path("slow", slow),
    path("static/<path:path>", serve, {"document_root": content.STATIC}),
]

asgi = AsgiMiddleware(get_asgi_application(), config=content.CONFIG)
wsgi = WsgiMiddleware(get_wsgi_application(), config=content.CONFIG)
