"""nginx as the data plane: a whole nginx.conf, for Debian's nginx with its headers-more module.

Content-Length and Transfer-Encoding are never set here: nginx writes them from the framing that it has
read, and whoever writes them by hand breaks streamed uploads. What a gateway says is cleared, whatever its
name, and what may pass is set from the variables that hold it: an allow-list, which nginx by itself does
not have. Nothing is retried.

The checks use `if` with `rewrite … last` and nothing else, the one form that is safe inside a location.
"""

import string
from collections.abc import Iterator

from relay.render.plan import Plan, Route
from relay.render.problems import ALLOWED_FOR_DOCUMENTS, FIELDS, PROBLEMS, document

__all__ = ["render"]

MODULE = "/usr/lib/nginx/modules/ngx_http_headers_more_filter_module.so"

# nginx's own codes beside those of HTTP: 494 header too large, 495 to 497 errors of TLS.
_OWN_CODES = (
    (400, "400 495 496 497 =400"),
    (404, "404"),
    (408, "408"),
    (413, "413"),
    (414, "414"),
    (431, "494 =431"),
    (500, "500"),
    (502, "502"),
    (503, "503"),
    (504, "504"),
)


def render(plan: Plan) -> str:
    """Return the configuration for `plan`."""
    lines = [_HEAD.format(module=MODULE, piece=plan.piece, request_bytes=plan.request_bytes)]
    lines += [_upstream(route) for route in plan.routes]
    relay = f"unix:{plan.relay.unix}" if plan.relay.unix else str(plan.relay)
    lines.append(f"  upstream relay {{\n    server {relay} max_fails=0;\n    keepalive 16;\n  }}\n")
    lines.append("  server {")
    lines += _listen(plan)
    lines += [f"    error_page {codes} /-/{status};" for status, codes in _OWN_CODES]
    lines += [_location(route) for route in plan.routes]
    lines += [_DOCUMENT.format(path=path) for path in plan.documents]
    lines.append("    location / {\n      rewrite ^ /-/404 last;\n    }\n")
    lines += _problems()
    lines.append("  }\n}")
    return "\n".join(lines) + "\n"


def _upstream(route: Route) -> str:
    return f"""\
  # The key is the same for everybody: what is counted is the exchanges of all.
  limit_conn_zone $nginx_version zone={route.name}-exchanges:64k;
  upstream gateway-{route.name} {{
    server {route.gateway} max_fails=0;
    # One pool for all clients.
    keepalive {route.connections};
    keepalive_timeout 10s;
    keepalive_requests 1000000;
  }}
"""


def _listen(plan: Plan) -> Iterator[str]:
    yield f"    listen {plan.listen}{' ssl' if plan.certificate else ''};"
    if plan.certificate:
        yield f"    ssl_certificate {plan.certificate};"
        yield f"    ssl_certificate_key {plan.private_key};"


def _location(route: Route) -> str:
    return _MESSAGES.format(
        name=route.name,
        every_name=" ".join(_every_name()),
        incremental="" if route.incremental else _NOT_INCREMENTAL,
        verification=_verification(route),
        scheme="https" if route.tls else "http",
        path=route.path,
        authority=route.authority,
        request_bytes=route.request_bytes,
        connections=route.connections,
        connect=route.connect,
        piece=route.piece,
        gateway_piece=route.gateway_piece,
    )


def _every_name() -> Iterator[str]:
    """Yield patterns that fit field names by their first character: the module wants one before its `*`.

    What begins with `-` it takes for an option of its own: such names, which nobody has, do pass.
    """
    for character in "!#$%&*+.^_`|~" + string.digits + string.ascii_lowercase:
        yield f"'{character}*'"
    yield '"\'*"'


def _verification(route: Route) -> str:
    tls = route.tls
    if tls is None:
        return ""
    text = _VERIFICATION.format(roots=tls.roots, host=tls.host)
    if tls.certificate:
        text += f"      proxy_ssl_certificate {tls.certificate};\n"
        text += f"      proxy_ssl_certificate_key {tls.private_key};\n"
    return text


def _problems() -> Iterator[str]:
    yield _problem("405-messages", 405, "Allow", "POST")
    yield _problem("405-documents", 405, "Allow", ALLOWED_FOR_DOCUMENTS)
    for status in PROBLEMS:
        if status != 405:
            yield _problem(str(status), status, *FIELDS.get(status, ()))


def _problem(name: str, status: int, *field: str) -> str:
    more = f'\n      add_header {field[0]} "{field[1]}" always;' if field else ""
    return f"""\
    location = /-/{name} {{
      internal;
      default_type application/problem+json;
      add_header Cache-Control no-store always;{more}
      return {status} '{document(status)}';
    }}"""


_HEAD = """\
# A Tacita relay, written by tacita-relay --render nginx. Write it anew instead of changing it.
#   nginx -p FOLDER -c THIS-FILE     FOLDER holds the process id and the (empty) folders of temporary files.
load_module {module};
worker_processes auto;
worker_rlimit_core 0;
pid nginx.pid;
# The life of the processes. What concerns a connection goes nowhere: it would name its client.
error_log stderr alert;
events {{
  worker_connections 8192;
}}
http {{
  error_log /dev/null emerg;
  access_log off;
  server_tokens off;
  more_clear_headers Server;
  etag off;
  gzip off;
  merge_slashes off;
  default_type application/octet-stream;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;

  # Nothing of TLS survives a connection: a resumed one would link two visits.
  ssl_protocols TLSv1.3;
  ssl_session_tickets off;
  ssl_session_cache off;
  ssl_conf_command NumTickets 0;
  ssl_early_data off;

  client_header_timeout {piece}ms;
  keepalive_timeout 75s;
  keepalive_requests 1000000;
  client_max_body_size {request_bytes};
  client_body_buffer_size 64k;
  limit_conn_status 503;

  # The kind of a message is all that is taken from its Content-Type; parameters end here.
  map $http_content_type $tacita_kind {{
    default "";
    "~*^message/ohttp-req[ \\t]*(;|$)" one-shot;
    "~*^message/ohttp-chunked-req[ \\t]*(;|$)" chunked;
  }}
  map $tacita_kind $tacita_type {{
    default "";
    one-shot message/ohttp-req;
    chunked message/ohttp-chunked-req;
  }}
  map "$tacita_kind $http_incremental" $tacita_incremental {{
    default "";
    "~^chunked " "?1";
    "~^one-shot \\?1[ \\t]*(;|$)" "?1";
  }}
  map "$http_content_length:$http_transfer_encoding" $tacita_empty {{
    default "";
    "~^0*:$" yes;
  }}
  # What may pass of an answer.
  map "$tacita_kind $upstream_status $upstream_http_content_type" $tacita_answer {{
    default application/octet-stream;
    "~*^one-shot 200 message/ohttp-res[ \\t]*(;|$)" message/ohttp-res;
    "~*^chunked 200 message/ohttp-chunked-res[ \\t]*(;|$)" message/ohttp-chunked-res;
    "~^[a-z-]+ [45]\\d\\d " $upstream_http_content_type;
  }}
  map $upstream_http_incremental $tacita_answer_incremental {{
    default "";
    "?1" "?1";
  }}
"""

_NOT_INCREMENTAL = """\
      if ($tacita_incremental) { rewrite ^ /-/501 last; }
"""

_VERIFICATION = """\
      proxy_ssl_verify on;
      proxy_ssl_verify_depth 4;
      proxy_ssl_trusted_certificate {roots};
      proxy_ssl_server_name on;
      proxy_ssl_name {host};
      proxy_ssl_protocols TLSv1.3;
      proxy_ssl_session_reuse off;
"""

_MESSAGES = """\
    location = /{name} {{
      if ($server_protocol != HTTP/1.1) {{ rewrite ^ /-/505 last; }}
      if ($request_method != POST) {{ rewrite ^ /-/405-messages last; }}
      if ($http_early_data) {{ rewrite ^ /-/425 last; }}
      if ($tacita_kind = "") {{ rewrite ^ /-/415 last; }}
      if ($http_content_encoding != "") {{ rewrite ^ /-/415 last; }}
      if ($tacita_empty) {{ rewrite ^ /-/400 last; }}
{incremental}      set $args "";
      limit_conn {name}-exchanges {connections};
      client_max_body_size {request_bytes};
      client_body_timeout {piece}ms;
      send_timeout {piece}ms;

      proxy_pass {scheme}://gateway-{name}{path};
      proxy_http_version 1.1;
      proxy_request_buffering off;
      proxy_buffering off;
      proxy_buffer_size 64k;
      proxy_buffers 4 64k;
      proxy_max_temp_file_size 0;
      proxy_next_upstream off;
      proxy_intercept_errors off;
      proxy_redirect off;
      proxy_connect_timeout {connect}ms;
      proxy_send_timeout {gateway_piece}ms;
      proxy_read_timeout {gateway_piece}ms;
{verification}
      proxy_pass_request_headers off;
      proxy_set_header Host {authority};
      proxy_set_header Connection "";
      proxy_set_header Content-Type $tacita_type;
      proxy_set_header Incremental $tacita_incremental;

      proxy_ignore_headers X-Accel-Redirect X-Accel-Expires X-Accel-Limit-Rate X-Accel-Buffering
                           X-Accel-Charset Expires Cache-Control Set-Cookie Vary;
      proxy_hide_header Content-Type;
      more_clear_headers {every_name};
      more_set_headers "Content-Type: $tacita_answer" "Cache-Control: no-store"
                       "Content-Encoding: $upstream_http_content_encoding"
                       "Incremental: $tacita_answer_incremental";
    }}
"""

_DOCUMENT = """\
    location = {path} {{
      if ($request_method !~ ^(GET|HEAD)$) {{ rewrite ^ /-/405-documents last; }}
      set $args "";
      proxy_pass http://relay{path};
      proxy_http_version 1.1;
      proxy_max_temp_file_size 0;
      proxy_next_upstream off;
      proxy_pass_request_headers off;
      proxy_pass_request_body off;
      proxy_set_header Host relay;
      proxy_set_header Connection "";
      proxy_set_header Content-Length "";
      proxy_set_header If-None-Match $http_if_none_match;
    }}"""
