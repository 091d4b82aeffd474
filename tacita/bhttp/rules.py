"""What makes control data and fields invalid; the decoder and the encoder ask the same questions.

RFC 9292 borrows its rules from HTTP/2: control data follows RFC 9113, Section 8.3.1
(Section 3.4), field lines RFC 9113, Section 8.2.1 (Section 3.6). Where RFC 9292 leaves
room we take the strict reading:

- Names are lowercase tokens. HTTP/2 calls an uppercase letter malformed.
- No pseudo-field is accepted in any section. Section 3.6 forbids the five of HTTP/2
  and admits those of extensions, but we know no extension that could define one here,
  and RFC 9113, Section 8.3 calls an unknown one malformed.
- Fields about connections are accepted, since Section 3.6 says that they do not make
  a message invalid. Whoever forwards a message removes them.

What is sound, which nearly everything is, is found so by a few passes over joined parts: that costs
a fraction of matching each part by itself. Only where something seems amiss are they looked at one by one.
"""

import re
from collections.abc import Sequence

from tacita.bhttp.errors import InvalidControlData, InvalidField, InvalidStatus
from tacita.bhttp.messages import Field

__all__ = ["check_fields", "check_final_status", "check_informational_status", "check_request_control"]

# RFC 9110, Section 5.6.2, without the uppercase letters.
_NAME_BYTES = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
# RFC 3986, Section 3.1.
_SCHEME = re.compile(rb"[A-Za-z][A-Za-z0-9+\-.]*")
# The characters of RFC 3986, Section 3.2, without the "@": RFC 9113 forbids userinfo.
_AUTHORITY = re.compile(rb"[A-Za-z0-9\-._~%!$&'()*+,;=:\[\]]*")
# Nearly all requests. No part has a space in it, so that joined they are not to be taken for other parts.
_ORDINARY = re.compile(
    rb"(?!CONNECT )[!#$%&'*+\-.^_`|~0-9A-Za-z]+ https? "
    rb"[A-Za-z0-9\-._~%!$&'()*+,;=:\[\]]* /[\x21\x22\x24-\x7e]*"
)
# Visible ASCII without the "#": a fragment is no part of a request target. Looser than
# RFC 3986 on purpose, as browsers send "|" and the like unescaped.
_PATH = re.compile(rb"[\x21\x22\x24-\x7e]*")


def check_fields(fields: Sequence[Field]) -> None:
    """Check the lines of one section, headers and trailers alike.

    Raises:
        InvalidField: a name is empty, not a lowercase token, or a pseudo-field; a value
            holds NUL, CR or LF, or begins or ends with a space or tab.
    """
    if not fields:
        return
    names, values = zip(*fields, strict=True)
    if strange := b"".join(names).translate(None, _NAME_BYTES):
        if b":" in strange:
            raise InvalidField("A field section holds a pseudo-field; send control data in its own place.")
        raise InvalidField("A field name is not a lowercase token; send names in lowercase.")
    joined = b"".join(values)
    if 0x00 in joined or 0x0A in joined or 0x0D in joined:
        raise InvalidField("A field value holds NUL, CR or LF; remove it.")
    if b"" not in names and tuple(map(bytes.strip, values)) == values:
        return
    for name, value in fields:
        if not name:
            raise InvalidField("A field name is empty; give it at least one byte.")
        if value != value.strip(b" \t"):
            raise InvalidField("A field value begins or ends with white space; trim it.")


def check_request_control(method: bytes, scheme: bytes, authority: bytes, path: bytes) -> None:
    """Check the control data of a request (RFC 9113, Sections 8.3.1 and 8.5).

    Raises:
        InvalidControlData: a part does not follow its grammar; an http(s) request has
            no absolute path (nor `*` with OPTIONS); CONNECT has a scheme or path.
    """
    if _ORDINARY.fullmatch(b" ".join((method, scheme, authority, path))):
        return
    if not _TOKEN.fullmatch(method):
        raise InvalidControlData("The method is not a token.")
    if not _AUTHORITY.fullmatch(authority):
        raise InvalidControlData("The authority is not a host and port; leave userinfo out.")
    if method == b"CONNECT":
        if scheme or path or not authority:
            raise InvalidControlData("CONNECT takes an authority and neither scheme nor path.")
        return
    if not _SCHEME.fullmatch(scheme):
        raise InvalidControlData("The scheme is not a URI scheme.")
    if not _PATH.fullmatch(path):
        raise InvalidControlData("The path holds a byte that a request target cannot have; escape it.")
    if path[:1] == b"/" or scheme.lower() not in (b"http", b"https"):
        return
    if path != b"*" or method != b"OPTIONS":
        raise InvalidControlData("The path of an http request does not begin with a slash.")


def check_final_status(status: int) -> None:
    """Raise `InvalidStatus` unless `status` is one of a final response (Section 3.5)."""
    if not 200 <= status <= 599:
        raise InvalidStatus("The status code of a response is not between 200 and 599.")


def check_informational_status(status: int) -> None:
    """Raise `InvalidStatus` unless `status` is informational (Section 3.5.1)."""
    if not 100 <= status <= 199:
        raise InvalidStatus("The status code of an informational response is not between 100 and 199.")
