from django.contrib import admin

from .models import Choice, Question


class Choices(admin.TabularInline):
    model = Choice
    extra = 3


@admin.register(Question)
class QuestionAdmin(admin.ModelAdmin):
    inlines = [Choices]
    search_fields = ["text"]
