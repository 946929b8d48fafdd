import django.db.models.deletion
from django.db import migrations, models


def keep_generations(apps, schema_editor):
    chunks = apps.get_model("training_archive", "ArchivedChunk").objects.using(schema_editor.connection.alias)
    generations = apps.get_model("training_archive", "ArchivedGeneration").objects.using(schema_editor.connection.alias)
    for chunk in chunks.order_by("name").iterator():
        generations.update_or_create(generation=chunk.generation, defaults={"chunk": chunk})


class Migration(migrations.Migration):

    dependencies = [
        ("training_archive", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="ArchivedGeneration",
            fields=[
                ("generation", models.TextField(primary_key=True, serialize=False)),
                (
                    "chunk",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="generations",
                        to="training_archive.archivedchunk",
                    ),
                ),
            ],
        ),
        migrations.RunPython(keep_generations, migrations.RunPython.noop),
        migrations.RemoveField(model_name="archivedchunk", name="generation"),
        migrations.CreateModel(
            name="DatasetExport",
            fields=[
                ("path", models.TextField(primary_key=True, serialize=False)),
                ("format", models.TextField()),
                ("manifest", models.TextField()),
                ("lineage", models.TextField()),
                ("rows", models.BigIntegerField()),
                ("created_at", models.DateTimeField()),
            ],
            options={"ordering": ["-created_at"]},
        ),
        migrations.CreateModel(
            name="Erasure",
            fields=[
                ("id", models.TextField(primary_key=True, serialize=False)),
                ("kind", models.TextField()),
                ("selector_hmac", models.TextField()),
                ("requested_by", models.TextField()),
                ("requested_at", models.DateTimeField()),
                ("finished_at", models.DateTimeField(null=True)),
                ("examples", models.BigIntegerField(default=0)),
                ("progress", models.JSONField(default=dict)),
                ("receipt", models.TextField(blank=True)),
            ],
            options={"ordering": ["-requested_at"]},
        ),
    ]
