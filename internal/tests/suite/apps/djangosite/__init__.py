"""A Django project with the admin, as `django-admin startproject` lays it out."""
