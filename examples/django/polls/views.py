from django.db.models import F
from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from .models import Choice, Question


def index(request):
    return render(request, "polls/index.html", {"questions": Question.objects.order_by("-pk")[:50]})


def detail(request, pk):
    question = get_object_or_404(Question.objects.prefetch_related("choices"), pk=pk)
    return render(request, "polls/detail.html", {"question": question})


@require_POST
def vote(request, pk):
    choice = get_object_or_404(Choice, pk=request.POST.get("choice"), question=pk)
    Choice.objects.filter(pk=choice.pk).update(votes=F("votes") + 1)
    return redirect("polls:detail", pk=pk)


def results(request):
    """Streamed: rows leave as the database gives them."""
    rows = Choice.objects.values_list("question__text", "text", "votes").iterator(chunk_size=500)

    def lines():
        yield "question,choice,votes\n"
        for question, choice, votes in rows:
            yield f"{quoted(question)},{quoted(choice)},{votes}\n"

    return StreamingHttpResponse(lines(), content_type="text/csv")


def quoted(text):
    return '"' + text.replace('"', '""') + '"'
