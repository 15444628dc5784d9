"""Real caching proxies in front of an edge, set up as eagerly as a shop might.

    with nginx(w.url, tmp_path) as url:
        assert httpx.get(url + "/a.css").headers["x-cache"] == "MISS"

Both keep whatever the response lets them keep, also for requests with cookies, which
many shops want and Varnish would not do by itself.  `X-Cache` says HIT for what came out
of the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import parts
from tests.support.processes import serving

PATH = "/_proffer/healthz"

NGINX = """
daemon off; master_process off; worker_rlimit_nofile 256;
pid nginx.pid; error_log stderr warn;
events { worker_connections 64; }
http {
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u;
    scgi_temp_path s;
    proxy_cache_path cache keys_zone=pages:1m;
    upstream edge { server EDGE; keepalive 8; }
    server {
        listen 127.0.0.1:PORT;
        location / {
            proxy_pass http://edge;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_cache pages;
            proxy_cache_valid any 10m;
            proxy_cache_revalidate on;
            proxy_cache_lock on;
            proxy_cache_use_stale error timeout updating;
            add_header X-Cache $upstream_cache_status always;
        }
    }
}
"""

VARNISH = """
vcl 4.1;
backend edge { .host = "HOST"; .port = "EDGEPORT"; }
sub vcl_recv {
    if (req.method == "GET" || req.method == "HEAD") { return (hash); }
}
sub vcl_deliver {
    set resp.http.X-Cache = "MISS";
    if (obj.hits > 0) { set resp.http.X-Cache = "HIT"; }
}
"""


@contextmanager
def nginx(edge: str, folder: Path) -> Iterator[str]:
    """The proxy's address.  Raises `MissingPart`."""
    program = parts.nginx()
    (folder / "template").write_text(NGINX.replace("EDGE", edge.removeprefix("http://")))
    script = 'cd "$1" && sed s/PORT/$2/ template > conf && exec "$3" -p "$1" -e stderr -c conf'
    command = ["sh", "-c", script, "sh", folder, "{port}", program]
    with serving(command, path=PATH) as server:
        yield server.url


@contextmanager
def varnish(edge: str, folder: Path) -> Iterator[str]:
    """The same with Varnish, which takes a moment: it compiles its configuration."""
    program = parts.varnishd()
    host, _, port = edge.removeprefix("http://").partition(":")
    vcl = folder / "edge.vcl"
    vcl.write_text(VARNISH.replace("HOST", host).replace("EDGEPORT", port))
    command = [program, "-F", "-j", "none", "-n", folder / "varnish", "-a", "127.0.0.1:{port}",
               "-f", vcl, "-s", "malloc,16m", "-p", "default_grace=0"]  # fmt: skip
    with serving(command, path=PATH) as server:
        yield server.url
