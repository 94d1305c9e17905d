"""Whether an endpoint is reached directly or through an HTTP proxy, and the client for either case."""

import ipaddress
import os
import ssl
import urllib.request
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from headgate.runtime.clock import Clock
from headgate.runtime.upstream import Endpoint, PoolLimits, ReplyLimits, Upstream
from headgate.runtime.upstream_http1 import Http1Upstream

PROXY_SCHEMES: Final = frozenset({"http", "https"})


def open_upstream(
    endpoint: Endpoint,
    *,
    tls: ssl.SSLContext | None = None,
    reply_limits: ReplyLimits | None = None,
    pool_limits: PoolLimits | None = None,
    clock: Clock | None = None,
    environment: Mapping[str, str] | None = None,
) -> Upstream:
    """The client for an endpoint: through the proxy that `environment` (default: the process's) names, else direct.

    Raises ValueError for a proxy that is not http or https. Connects to nothing yet.
    """
    proxy = proxy_for(endpoint, os.environ if environment is None else environment)
    if proxy is None:
        return Http1Upstream(endpoint, tls=tls, reply_limits=reply_limits, pool_limits=pool_limits, clock=clock)
    from headgate.runtime.upstream_aiohttp import ProxiedUpstream  # aiohttp costs 100 ms to import

    return ProxiedUpstream(endpoint, proxy, tls=tls, reply_limits=reply_limits, pool_limits=pool_limits, clock=clock)


def proxy_for(endpoint: Endpoint, environment: Mapping[str, str]) -> str | None:
    """The proxy URL that HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names, in either case, unless NO_PROXY exempts the host.

    This machine itself is never asked for through a proxy, which would look for it elsewhere.
    """
    if is_loopback(endpoint.host):
        return None
    named = {name.lower(): value for name, value in environment.items() if name.upper().endswith("_PROXY") and value}
    proxy = named.get(f"{endpoint.scheme}_proxy") or named.get("all_proxy")
    if proxy is None:
        return None
    exempt = {"no": named.get("no_proxy", "").strip()}
    if urllib.request.proxy_bypass_environment(f"{endpoint.host}:{endpoint.port}", exempt):  # type: ignore[attr-defined]
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    if urlsplit(proxy).scheme not in PROXY_SCHEMES:
        raise ValueError(f"the proxy for {endpoint.host} must be an http or https proxy")
    return proxy


def is_loopback(host: str) -> bool:
    """True for the names and addresses of this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
