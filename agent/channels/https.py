"""The HTTPS channel: POST the report to a collector, with the token of this one machine."""


def post(url, report, token_file, ca_file):
    """Post once; OSError (URLError is one) or ValueError says why it failed.

    With ``ca_file`` only certificates signed by that authority are trusted, and not those of the system. A redirect
    is an error: the token is for the collector that was named.
    """
    import ssl
    from urllib.request import HTTPRedirectHandler, HTTPSHandler, ProxyHandler, Request, build_opener, getproxies

    from agent.encode import encode

    if not url.startswith("https://"):
        raise ValueError("the token would travel in clear: not an https URL")

    class Stay(HTTPRedirectHandler):
        def redirect_request(self, *unused):  # noqa: ARG002
            return None

    context = ssl.create_default_context(cafile=ca_file)
    if hasattr(ssl, "TLSVersion"):
        context.minimum_version = ssl.TLSVersion.TLSv1_2
    else:  # Python 3.6
        context.options |= ssl.OP_NO_TLSv1 | ssl.OP_NO_TLSv1_1
    headers = {"Content-Type": "application/json", "User-Agent": "nestproof-agent"}
    if token_file:
        with open(token_file) as f:
            headers["Authorization"] = "Bearer " + f.read(4096).strip()
    request = Request(  # noqa: S310 - https, as was checked
        url, encode(report).encode("ascii"), headers, method="POST"
    )
    opener = build_opener(ProxyHandler(getproxies()), HTTPSHandler(context=context), Stay)
    with opener.open(request, timeout=20) as answer:
        answer.read(4096)
