from django.db import models


class Post(models.Model):  # type: ignore[misc]  # Django ships no types
    title = models.CharField(max_length=100)

    def __str__(self) -> str:
        return str(self.title)
