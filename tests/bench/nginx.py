"""nginx as a contestant: passing on, sub_filter, and a Lua body filter."""

from __future__ import annotations

from pathlib import Path

from .upstream import config, lua_modules

_PROXY = """\
    upstream origin {{ server 127.0.0.1:{upstream}; keepalive 32; keepalive_requests 100000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location / {{
            proxy_pass http://origin;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_buffer_size 16k;
            proxy_buffers 64 32k;
            proxy_busy_buffers_size 256k;
            proxy_max_temp_file_size 0;
            {more}
        }}
    }}
"""

_PLAIN = """proxy_set_header Accept-Encoding "";
            {0}
"""

_GZIP = """proxy_set_header Accept-Encoding "";
            gzip on;
            gzip_comp_level 1;
            gzip_proxied any;
            gzip_vary on;
            {0}
"""

_SUB = """sub_filter_once off;
            sub_filter 'href="https://shop.example/' 'href="https://shop.example/?kmi=$cookie_km_ai&amp;to=/';
"""

_LUA = """header_filter_by_lua_block { ngx.header.content_length = nil }
            body_filter_by_lua_block { decorate() }
"""

# A link may be cut by a chunk's end, so the page is collected.
_LUA_INIT = """\
    init_by_lua_block {
        function decorate()
            local type = ngx.header.content_type
            if not type or type:sub(1, 9) ~= "text/html" then return end
            local parts = ngx.ctx.parts
            if not parts then
                parts = {}
                ngx.ctx.parts = parts
            end
            parts[#parts + 1] = ngx.arg[1]
            ngx.arg[1] = nil
            if not ngx.arg[2] then return end
            local given = "?kmi=" .. (ngx.var.cookie_km_ai or "")
            ngx.arg[1] = ngx.re.gsub(
                table.concat(parts), [[(href="https://shop\\.example/[^"?#]*+)]],
                function(link) return link[1] .. given end, "jo"
            )
        end
    }
"""


def passing(folder: Path, port: int, upstream: int) -> list[str]:
    """Nothing rewritten."""
    return config(folder, _PROXY.format(port=port, upstream=upstream, more=""))


def sub_filter(folder: Path, port: int, upstream: int) -> list[str]:
    """A string replaced wherever it stands, gzip level 1."""
    return config(folder, _PROXY.format(port=port, upstream=upstream, more=_GZIP.format(_SUB)))


def sub_filter_plain(folder: Path, port: int, upstream: int) -> list[str]:
    """A string replaced wherever it stands, nothing compressed."""
    return config(folder, _PROXY.format(port=port, upstream=upstream, more=_PLAIN.format(_SUB)))


def lua(folder: Path, port: int, upstream: int) -> list[str]:
    """A regex over the whole page, gzip level 1."""
    http = _LUA_INIT + _PROXY.format(port=port, upstream=upstream, more=_GZIP.format(_LUA))
    return config(folder, http, lua_modules() or "")
