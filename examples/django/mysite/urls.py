from django.contrib import admin
from django.contrib.staticfiles.urls import staticfiles_urlpatterns
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("polls.urls")),
    *staticfiles_urlpatterns(),  # while DEBUG is on; collectstatic and a static mount otherwise
]
