import hashlib

from django.contrib.auth.models import User
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.views.decorators.csrf import csrf_exempt


def index(request):
    return HttpResponse(f"Hello from Django, {User.objects.count()} users")


@csrf_exempt
def upload(request):
    file = request.FILES["file"]
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    return JsonResponse({"name": file.name, "size": file.size, "title": request.POST["title"],
                         "sha256": digest.hexdigest()})


def stream(request):
    def rows():
        yield "id,username\n"
        for number in range(int(request.GET["n"])):
            yield f"{number},user{number}\n"

    return StreamingHttpResponse(rows(), content_type="text/csv")


def file(request):
    return FileResponse(open(__file__, "rb"), as_attachment=True, filename="views.py")


def whoami(request):
    return JsonResponse({"user": request.user.get_username(), "secure": request.is_secure(),
                         "url": request.build_absolute_uri()})


def error(request):
    raise RuntimeError("the secret of the failing view")
