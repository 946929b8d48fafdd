from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('capture_app', '0007_example_indexes'),
        ('console', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='SearchEntry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('example_id', models.TextField()),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('example_id',), name='one_search_entry_each')],
            },
        ),
    ]
