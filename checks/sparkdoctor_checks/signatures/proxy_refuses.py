"""Proxies."""

from sparkdoctor.plugin import Found, Verdict, fail, signature


@signature(
    "Tunnel connection failed: {code:int} {words}",
    "'Cannot connect to proxy.'",
    "Cannot connect to proxy",
    "Received HTTP code {code:int} from proxy after CONNECT",
    "CONNECT tunnel failed, response {code:int}",
    "Proxy Authentication Required",
    "proxyconnect tcp: {words}",
)
def proxy_refuses(found: Found) -> Verdict:
    """A proxy does not let a download through.

    It is not there, wants a password, or forbids the host. The variables http_proxy and https_proxy say which one is meant; a
    proxy on 127.0.0.1 is another one inside a container.

    Sources:
    - pip 23, run with a proxy that is not there; curl, lib/http_proxy.c
    """
    code = f" ({found['code']})" if found["code"] else ""
    return fail(
        f"the proxy does not let the download through{code}",
        remedy="Look which proxy is named, and whether it needs a password; unset the variables where none is needed.",
        command="env | grep -i _proxy",
    )
