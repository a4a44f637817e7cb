"""TLS to the broker: its certificate is of a known authority and names its host."""

from __future__ import annotations

import os
import ssl
from inspect import signature
from typing import Any

from amqp.transport import SSLTransport

from proj.errors import SettingsError

__all__ = ["is_refusal", "verifying"]

FILES = ("ca_certs", "certfile", "keyfile")

OPTIONS = {"check_hostname", "context", *signature(SSLTransport._wrap_socket_sni).parameters}  # noqa: SLF001 - told nowhere else
OPTIONS -= {"self", "sock"}
"""What py-amqp takes, and ends with a ``TypeError`` where it is given something else."""

URL_OPTIONS = (*FILES, "cert_reqs", "check_hostname")
"""What a URL may say (``?ssl_ca_certs=/etc/ca.pem``); Kombu leaves the prefix to the transport."""


def verifying(told: Any, host: str) -> dict[str, Any]:
    """Return py-amqp's options from ``told``, ``broker_use_ssl`` or those of a URL.

    py-amqp verifies the authority by default, and the name of the ``host`` only where
    ``server_hostname`` says so. Raises :class:`proj.errors.SettingsError` for an option that does
    not exist, and for a file that cannot be read, of which Python's own error does not tell the
    name.
    """
    prefixed = {f"ssl_{name}": name for name in URL_OPTIONS}
    given: dict[str, Any] = told if isinstance(told, dict) else {}
    options: dict[str, Any] = {prefixed.get(name, name): value for name, value in given.items()}
    problems = [
        f"  broker_use_ssl: {name}: expected a file that can be read, found {options[name]!r}"
        for name in FILES
        if options.get(name) and not os.access(options[name], os.R_OK)
    ]
    problems += [
        f"  broker_use_ssl: {name}: there is no such option; expected {', '.join(URL_OPTIONS)}, "
        "or another one of py-amqp's"
        for name in sorted(options.keys() - OPTIONS)
        if not options.get("context")
    ]
    if problems:
        raise SettingsError(problems)
    if options.pop("check_hostname", True) and options.get("cert_reqs") != ssl.CERT_NONE:
        options["server_hostname"] = options.get("server_hostname") or host
        if options.get("context"):
            options["context"] = {"check_hostname": True, **options["context"]}
    return options


def is_refusal(error: ssl.SSLError) -> bool:
    """Return whether one side refused the other; else the connection broke, and may come again."""
    return bool(error.reason) and not isinstance(
        error, (ssl.SSLEOFError, ssl.SSLSyscallError, ssl.SSLZeroReturnError)
    )
