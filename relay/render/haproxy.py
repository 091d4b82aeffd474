"""haproxy as the data plane: a whole haproxy.cfg, for 2.6 (Debian) and newer.

haproxy has allow-lists both ways by itself (`del-header` with a pattern that excludes what stays), and
can look at the head of an answer before any of it has left. Content-Length and Transfer-Encoding are in
those lists only so that they are left alone: they belong to the framing.
"""

from collections.abc import Iterator
from http import HTTPStatus

from relay.render.plan import Plan, Route
from relay.render.problems import ALLOWED_FOR_DOCUMENTS, FIELDS, document
from tacita.errors import ConfigError

__all__ = ["render"]

# What haproxy can be given a document for when it fails by itself.
_OWN_CODES = (400, 408, 413, 500, 502, 503, 504)

_FRAMING = "content-length|transfer-encoding"


def render(plan: Plan) -> str:
    """Return the configuration for `plan`.

    Raises:
        ConfigError: a private key does not stand where haproxy looks for it.
    """
    lines = [_HEAD.format(piece=plan.piece)]
    lines += [f"  http-error {_problem(status)}" for status in _OWN_CODES]
    lines += ["", "frontend clients", f"  bind {plan.listen}{_certificate(plan)}"]
    lines += _frontend(plan)
    for route in plan.routes:
        lines += _backend(route)
    lines += _relay(plan)
    return "\n".join(lines) + "\n"


def _certificate(plan: Plan) -> str:
    if not plan.certificate:
        return ""
    return f" ssl crt {_with_key(plan.certificate, plan.private_key)} alpn http/1.1"


def _with_key(certificate: str, private_key: str) -> str:
    if private_key not in {certificate, certificate + ".key"}:
        raise ConfigError(
            "haproxy looks for a private key in the file of its certificate, or beside it with .key behind "
            "the whole name; put it there (a link will do), and give that name."
        )
    return certificate


def _problem(status: int, *fields: tuple[str, str]) -> str:
    more = "".join(f" hdr {name} '{value}'" for name, value in fields)
    return (
        f"status {status} content-type application/problem+json hdr cache-control no-store{more}"
        f" string '{document(status)}'"
    )


def _return(status: int, *fields: tuple[str, str]) -> str:
    if status in FIELDS:
        fields = (FIELDS[status],)
    return f"http-request return {_problem(status, *fields)}"


def _frontend(plan: Plan) -> Iterator[str]:
    names = [route.name for route in plan.routes]
    yield f"  acl document path -m str {' '.join(plan.documents)}"
    yield f"  acl messages path -m str {' '.join(f'/{name}' for name in names) or '/-'}"
    yield from _KINDS
    yield f"  {_return(404)} if !messages !document"
    yield f"  {_return(405, ('allow', ALLOWED_FOR_DOCUMENTS))} if document !{{ method GET HEAD }}"
    yield "  http-request allow if document"
    yield f"  {_return(505)} if !{{ req.ver 1.1 }}"
    yield f"  {_return(405, ('allow', 'POST'))} if !{{ method POST }}"
    yield f"  {_return(425)} if {{ req.hdr(early-data) -m found }}"
    yield f"  {_return(415)} if !one_shot !chunked"
    yield f"  {_return(415)} if {{ req.fhdr_cnt(content-type) gt 1 }}"
    yield f"  {_return(415)} if {{ req.hdr(content-encoding) -m found }}"
    yield "  acl framed req.hdr(transfer-encoding) -m found"
    yield f"  {_return(400)} if !framed !{{ req.hdr_val(content-length) gt 0 }}"
    for route in plan.routes:
        this = f"{{ path -m str /{route.name} }}"
        yield f"  {_return(413)} if {this} {{ req.hdr_val(content-length) gt {route.request_bytes} }}"
        if not route.incremental:
            yield f"  {_return(501)} if {this} chunked"
            yield f"  {_return(501)} if {this} incremental"
    # So that the gateway does not see how a client, or the network before it, cuts what it sends.
    yield f"  http-request wait-for-body time {plan.piece}ms if one_shot !incremental"
    yield from _REQUEST
    yield from (f"  use_backend gateway-{name} if {{ path -m str /{name} }}" for name in names)
    yield "  default_backend relay"


def _backend(route: Route) -> Iterator[str]:
    yield from ("", f"backend gateway-{route.name}")
    yield f"  timeout connect {route.connect}ms"
    yield f"  timeout queue {route.connect}ms"
    yield f"  timeout server {route.gateway_piece}ms"
    yield f"  http-request set-uri {_format(route.path)}"
    yield f"  http-request set-header host {_format(route.authority)}"
    yield from _ANSWER
    bad = f"http-response return {_problem(502)}"
    yield f"  {bad} if {{ status lt 400 }} !{{ var(txn.sealed) -m bool }}"
    yield f"  {bad} if {{ res.hdr_val(content-length) gt {route.response_bytes} }}"
    yield from _GIVEN
    # Every error has its own phrase: the gateway's would be a place to mark a client.
    phrases = [status.value for status in HTTPStatus if status.value >= 400]
    yield f"  {bad} if !{{ status 200 {' '.join(map(str, phrases))} }}"
    yield from (f"  http-response set-status {status} if {{ status {status} }}" for status in (200, *phrases))
    yield f"  server gateway {route.gateway} maxconn {route.connections}{_verification(route)}"


def _verification(route: Route) -> str:
    tls = route.tls
    if tls is None:
        return ""
    shown = f" crt {_with_key(tls.certificate, tls.private_key)}" if tls.certificate else ""
    return (
        f" ssl verify required ca-file {tls.roots} sni str({tls.host}) verifyhost {tls.host}"
        f" ssl-min-ver TLSv1.3 no-ssl-reuse alpn http/1.1{shown}"
    )


def _relay(plan: Plan) -> Iterator[str]:
    yield from ("", "backend relay")
    yield "  http-request del-header '^(?!(host|if-none-match)$)' -m reg"
    yield "  http-request set-header host relay"
    yield "  http-request set-uri %[path]"
    yield f"  server relay {f'unix@{plan.relay.unix}' if plan.relay.unix else plan.relay}"


def _format(value: str) -> str:
    """Return `value` for a place where haproxy takes a format with variables."""
    return value.replace("%", "%%")


def _is(sample: str, media_type: str) -> str:
    return f"{sample}.fhdr(content-type) -i -m reg '^{media_type}[[:blank:]]*(;.*)?$'"


_HEAD = """\
# A Tacita relay, written by tacita-relay --render haproxy. Write it anew instead of changing it.
#   haproxy -W -db -f THIS-FILE
# There is no `log` line anywhere: nothing is said about any connection.
global
  # Nothing of TLS survives a connection: a resumed one would link two visits.
  ssl-default-bind-options ssl-min-ver TLSv1.3 no-tls-tickets
  tune.ssl.cachesize 0

defaults
  mode http
  retries 0
  no option redispatch
  # One pool for all clients of a gateway.
  http-reuse always
  option http-no-delay
  # A client that goes away frees the gateway.
  option abortonclose
  option disable-h2-upgrade
  timeout connect 5s
  timeout queue 5s
  timeout server 60s
  timeout http-keep-alive 75s
  # haproxy knows one value for all gateways: the longest.
  timeout http-request {piece}ms
  timeout client {piece}ms"""

_KINDS = (
    f"  acl one_shot {_is('req', 'message/ohttp-req')}",
    f"  acl chunked {_is('req', 'message/ohttp-chunked-req')}",
    "  acl incremental req.fhdr(incremental) -m reg '^[?]1[[:blank:]]*(;.*)?$'",
)

# What is known of a request is kept, everything else goes, and what may pass is written anew.
_REQUEST = (
    "  http-request set-var(txn.kind) str(one-shot) if one_shot",
    "  http-request set-var(txn.kind) str(chunked) if chunked",
    "  http-request set-var(txn.incremental) bool(1) if chunked",
    "  http-request set-var(txn.incremental) bool(1) if incremental",
    f"  http-request del-header '^(?!(host|{_FRAMING})$)' -m reg",
    "  http-request set-header content-type message/ohttp-req if { var(txn.kind) -m str one-shot }",
    "  http-request set-header content-type message/ohttp-chunked-req if { var(txn.kind) -m str chunked }",
    "  http-request set-header incremental ?1 if { var(txn.incremental) -m bool }",
)

_ANSWER = (
    "  acl one_shot var(txn.kind) -m str one-shot",
    "  acl chunked var(txn.kind) -m str chunked",
    f"  acl one_shot_answer {_is('res', 'message/ohttp-res')}",
    f"  acl chunked_answer {_is('res', 'message/ohttp-chunked-res')}",
    "  http-response set-var(txn.sealed) bool(1) if { status 200 } one_shot one_shot_answer",
    "  http-response set-var(txn.sealed) bool(1) if { status 200 } chunked chunked_answer",
)

_GIVEN = (
    f"  http-response del-header '^(?!(content-type|content-encoding|incremental|{_FRAMING})$)' -m reg",
    "  acl sealed var(txn.sealed) -m bool",
    "  http-response set-header content-type message/ohttp-res if one_shot sealed",
    "  http-response set-header content-type message/ohttp-chunked-res if chunked sealed",
    "  http-response del-header incremental if !{ res.fhdr(incremental) -m str ?1 }",
    "  http-response set-header cache-control no-store",
)
