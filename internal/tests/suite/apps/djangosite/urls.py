from django.contrib import admin
from django.urls import path

from . import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", views.index),
    path("upload", views.upload),
    path("stream", views.stream),
    path("file", views.file),
    path("whoami", views.whoami),
    path("error", views.error),
]
