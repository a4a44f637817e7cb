"""Who may publish a task, and who may read one."""

from __future__ import annotations

import ipaddress
import ssl

from kombu.serialization import prepare_accept_content

from proj.doctor.examined import Examined
from proj.doctor.finding import Facts, listed

__all__ = ["security"]

PICKLE = "application/x-python-serialize"

GUEST = (None, "guest")
"""What a URL without an account means too."""


def security(examined: Examined) -> Facts:
    """Who may publish a task, and who may read one."""
    conf, urls = examined.conf, examined.urls if examined.is_rabbitmq else []
    contents = ("accept_content", "result_accept_content")
    accepted = {name: prepare_accept_content(getattr(conf, name)) or () for name in contents}
    yield "pickle-accepted", listed([name for name, types in accepted.items() if PICKLE in types])
    guests = [url for url in urls if url["userid"] in GUEST and url["password"] in GUEST]
    by_password = conf.broker_login_method != "EXTERNAL"
    names = listed([url["hostname"] or "localhost" for url in guests])
    yield "default-credentials", by_password and names
    options = conf.broker_use_ssl
    plain = [url["hostname"] for url in urls if url["transport"] != "amqps"]
    remote = listed([host for host in plain if not _is_loopback(host)])
    yield "no-tls", not options and remote
    is_unverified = isinstance(options, dict) and options.get("cert_reqs") == ssl.CERT_NONE
    yield "tls-unverified", is_unverified and "CERT_NONE"


def _is_loopback(host: str | None) -> bool:
    try:
        return host in (None, "", "localhost") or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
