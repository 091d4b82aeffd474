"""Who is examined: the URLs of the parties, from a command line or from a deployment's endpoints.json."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tacita.client.endpoints import Endpoints, MirrorEndpoints
from tacita.errors import ConfigError
from tacita.net.urls import origin_of, split
from tacita.privacypass import directory

__all__ = ["DOCUMENTS", "GATEWAY_PATH", "MAX_MIRRORS", "Mirror", "Subject"]

GATEWAY_PATH = "/.well-known/ohttp-gateway"
"""RFC 9540, Section 4."""

DOCUMENTS = ("gateway_keys", "challenge", "issuer_directory")
"""The documents that everybody must see alike, by their names in endpoints.json."""

MAX_MIRRORS = 6
"""Each of them is asked some twenty times."""


@dataclass(frozen=True, slots=True)
class Mirror:
    """One mirror: its `name` for people, and the URL of each document; `of_relay` where a relay has it."""

    name: str
    documents: MirrorEndpoints
    of_relay: bool = False

    def url(self, document: str) -> str:
        """Return the URL of one of `DOCUMENTS`."""
        return str(getattr(self.documents, document))


@dataclass(frozen=True, slots=True)
class Subject:
    """The parties that are examined; None is not.

    `relay` and `gateway` are the URLs that messages are posted to, `issuer` that of the directory; `keys` is
    where the gateway publishes its key configurations, if it is not at its well-known path.
    `token_request` is where the issuer is known to take requests, else its directory says so. `target` is
    the origin inside requests, else the challenge says so; `model` is asked there, where it is a chat model.
    `recording` is the address at which we stand in for the relay's gateway, so that nobody else is there.
    `account_key` is the file with the credential of an account at the issuer.
    """

    relay: str | None = None
    mirrors: tuple[Mirror, ...] = ()
    gateway: str | None = None
    issuer: str | None = None
    keys: str | None = None
    token_request: str | None = None
    target: str | None = None
    model: str | None = None
    account_key: Path | None = None
    recording: tuple[str, int] | None = None

    @classmethod
    def of_urls(
        cls,
        *,
        relay: str | None = None,
        mirrors: Sequence[str] = (),
        gateway: str | None = None,
        issuer: str | None = None,
        keys: str | None = None,
        target: str | None = None,
        model: str | None = None,
        account_key: Path | None = None,
    ) -> "Subject":
        """Return what these URLs name; a gateway or issuer without a path has the one of its RFC.

        A mirror's URL is what stands before `/keys`, `/challenge` and `/issuer-directory`; a relay's is
        taken for one, too.

        Raises:
            ConfigError: nobody is named, a URL is none, or there are too many mirrors.
        """
        if not (relay or mirrors or gateway or issuer):
            raise ConfigError("There is nobody to examine; name a relay, mirror, gateway or issuer.")
        if len(mirrors) > MAX_MIRRORS:
            raise ConfigError(f"At most {MAX_MIRRORS} mirrors are compared at a time; name fewer.")
        beside = [_mirror(relay, of_relay=True)] if relay else []
        return cls(
            relay=_with_path(relay, "/"),
            mirrors=(*beside, *(_mirror(url) for url in mirrors)),
            gateway=_with_path(gateway, GATEWAY_PATH),
            issuer=_with_path(issuer, directory.WELL_KNOWN),
            keys=_with_path(keys, GATEWAY_PATH),
            target=None if target is None else origin_of(target),
            model=model,
            account_key=account_key,
        )

    @classmethod
    def of_recorded_relay(cls, relay: str, address: str) -> "Subject":
        """Return a relay whose resource `relay` forwards to `address` (`HOST:PORT`), where we listen.

        Raises:
            ConfigError: the URL or the address is none.
        """
        host, _, port = address.rpartition(":")
        if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65_536):
            raise ConfigError("The address of the recording gateway is not HOST:PORT.")
        return cls(relay=_with_path(relay, "/"), recording=(host.strip("[]"), int(port)))

    @classmethod
    def of_deployment(cls, folder: Path) -> "Subject":
        """Return what endpoints.json in `folder` names. Raises `ConfigError` as `Endpoints.load`."""
        endpoints = Endpoints.load(folder / "endpoints.json")
        request = endpoints.issuer.token_request
        return cls(
            relay=endpoints.relay.messages,
            mirrors=(
                Mirror("the relay", endpoints.relay, of_relay=True),
                Mirror("the second mirror", endpoints.mirror),
            ),
            gateway=None if endpoints.gateway is None else endpoints.gateway.messages,
            issuer=origin_of(request) + directory.WELL_KNOWN,
            token_request=request,
            target=origin_of(endpoints.target.url),
            model=endpoints.target.model,
            account_key=endpoints.issuer.credential,
        )

    def sources(self, document: str) -> list[str]:
        """Return the URLs at which `document` can be had, that of its origin first."""
        mirrored = [mirror.url(document) for mirror in self.mirrors]
        origin = self.origin(document)
        return mirrored if origin is None else [origin, *mirrored]

    def origin(self, document: str) -> str | None:
        """Return the URL of `document` at the party that makes it, if that is examined."""
        if document == "issuer_directory":
            return self.issuer
        if document == "gateway_keys" and self.keys is not None:
            return self.keys
        if self.gateway is None:
            return None
        return origin_of(self.gateway) + (GATEWAY_PATH if document == "gateway_keys" else "/challenge")

    @property
    def messages(self) -> str | None:
        """Where messages for the gateway go: to itself, or else through the relay."""
        return self.gateway or self.relay

    @property
    def parties(self) -> dict[str, list[str]]:
        """The servers that are examined, by whom they belong to."""
        mirrors = [mirror.url("gateway_keys") for mirror in self.mirrors]
        urls: dict[str, Sequence[str | None]] = {
            "relay": [self.relay],
            "mirror": mirrors,
            "gateway": [self.gateway],
            "issuer": [self.issuer],
        }
        return {
            party: list(dict.fromkeys(split(url)[0] for url in named if url)) for party, named in urls.items()
        }


def _mirror(url: str, *, of_relay: bool = False) -> Mirror:
    split(url)
    base = url.rstrip("/")
    documents = MirrorEndpoints(f"{base}/keys", f"{base}/challenge", f"{base}/issuer-directory")
    return Mirror(base, documents, of_relay)


def _with_path(url: str | None, path: str) -> str | None:
    if url is None:
        return None
    origin, given = split(url)
    return origin + (path if given == "/" else given)
