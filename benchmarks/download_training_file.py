"""python -m benchmarks.download_training_file NAME FORMAT: read the download to its end, and print its bytes."""

import sys

import django


def main(name: str, kind: str) -> None:
    from training_files.actors import SHELL
    from training_files.downloads import download_link, open_download
    from training_files.models import TrainingFile

    link = download_link(TrainingFile.objects.get(name=name).pk, kind, by=SHELL)
    download = open_download(link.url.rsplit("/", 1)[1].replace("%3A", ":"))
    size = sum(map(len, download.blocks))
    assert size == download.size, "not as long as was said"
    print(size)


if __name__ == "__main__":
    django.setup()
    main(*sys.argv[1:])
