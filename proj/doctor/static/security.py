"""Who may publish a task, and who may read one."""

from __future__ import annotations

import ipaddress
import ssl

from kombu.serialization import prepare_accept_content

from proj.doctor.examined import Examined
from proj.doctor.finding import listed

PICKLE = "application/x-python-serialize"

GUEST = (None, "guest")
"""What a URL without an account means too."""


def pickle_accepted(examined: Examined) -> str | None:
    names = ("accept_content", "result_accept_content")
    contents = {name: prepare_accept_content(getattr(examined.conf, name)) for name in names}
    return listed([name for name, accepted in contents.items() if PICKLE in (accepted or ())])


def default_credentials(examined: Examined) -> str | None:
    if not examined.is_rabbitmq or examined.conf.broker_login_method == "EXTERNAL":
        return None
    urls = [url for url in examined.urls if url["userid"] in GUEST and url["password"] in GUEST]
    return listed([url["hostname"] or "localhost" for url in urls])


def no_tls(examined: Examined) -> str | None:
    if not examined.is_rabbitmq or examined.conf.broker_use_ssl:
        return None
    urls = [url for url in examined.urls if url["transport"] != "amqps"]
    return listed([url["hostname"] for url in urls if not _is_loopback(url["hostname"])])


def tls_unverified(examined: Examined) -> str | None:
    options = examined.conf.broker_use_ssl
    unverified = isinstance(options, dict) and options.get("cert_reqs") == ssl.CERT_NONE
    return "CERT_NONE" if unverified else None


def _is_loopback(host: str | None) -> bool:
    try:
        return host in (None, "", "localhost") or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
