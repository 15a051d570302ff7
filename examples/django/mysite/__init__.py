"""A Django project: polls and their admin.

    cd examples/django
    python manage.py migrate && python manage.py createsuperuser
    asteri-loop -w gthread:2 --threads 8 -l :8443 mysite.wsgi

The admin is at /admin/. Asynchronous views want mysite.asgi under -w asgi.
"""
