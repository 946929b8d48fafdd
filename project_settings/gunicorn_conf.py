"""How gunicorn serves this project: `gunicorn --config python:project_settings.gunicorn_conf project_settings.wsgi`."""

from pathlib import Path

from project_settings import env, logs

if not env.secret_key_lasts():
    raise SystemExit("Set SECRET_KEY: without one, each of the web server's processes would refuse the others' logins.")

bind = env.listen()
workers = env.web_concurrency()
threads = 4
graceful_timeout = 20  # seconds for requests that are under way when the server is asked to end
control_socket_disable = True  # supervisord and systemd already control it; no socket in somebody's home directory
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  (heartbeats must not wait for a disk)
logconfig_dict = logs.logging_config(style=env.log_format(), level=env.log_level())
