"""Who may talk to the page's server: this machine's browser, at the address and with the token that it was given.

A program on 127.0.0.1 is in reach of every website that the person has open: a page elsewhere can send requests to
it, and a name that resolves to 127.0.0.1 makes its own page look like ours. So the Host must be ours, the Origin (where
a browser tells one) must be ours, and what shows or steers the call wants the token. Knows no call.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

from aiohttp import web

NAMES = ("127.0.0.1", "localhost")
STRANGER = "This address belongs to a call on this computer, and only its own page may ask here."
NO_TOKEN = (
    "This address belongs to one call. Open the whole line that Visavis printed, "
    "with everything that follows the question mark."
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _headers(host: str) -> dict[str, str]:
    """What every reply carries: nothing from elsewhere is loaded, nobody else frames or reads it, nothing is kept."""
    policy = (
        "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self' blob:; "
        # Safari does not count a WebSocket of the same address as 'self'.
        f"connect-src 'self' ws://{host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=(self), fullscreen=(self)",
        "Cache-Control": "no-store",
    }


def is_ours(request: web.Request, port: int) -> bool:
    """Tell whether a request names this server, and comes from its own page or from no page at all."""
    if request.headers.getall("Host", []) not in [[f"{name}:{port}"] for name in NAMES]:
        return False
    if request.headers.get("Origin", f"http://{request.host}") != f"http://{request.host}":
        return False
    # `none` is a person's own click on the address; absent in programs and old browsers.
    return request.headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin") or _is_opened(request)


def _is_opened(request: web.Request) -> bool:
    # A link in a mail or a chat program opens the page itself from elsewhere; its token decides.
    return request.headers.get("Sec-Fetch-Mode") == "navigate" and request.method == "GET"


def has_token(request: web.Request, token: str) -> bool:
    """Tell whether the query names the token; takes the same time for every wrong one."""
    return hmac.compare_digest(request.query.get("token", "").encode(), token.encode())


def guard(
    port: Callable[[], int], token: str, *, public: str
) -> Callable[..., Awaitable[web.StreamResponse]]:
    """Return the middleware that refuses strangers; paths under `public` are the same for everyone, no token there.

    `port` tells where the server listens, which is not known before it does.
    """

    @web.middleware
    async def refuse_strangers(request: web.Request, handler: Handler) -> web.StreamResponse:
        reply: web.StreamResponse
        if not is_ours(request, port()):
            reply = web.Response(status=403, text=STRANGER)
        elif not request.path.startswith(public) and not has_token(request, token):
            reply = web.Response(status=403, text=NO_TOKEN)
        else:
            try:
                return await handler(request)
            except web.HTTPException as refusal:
                reply = web.Response(status=refusal.status, text=refusal.reason)
        return reply

    return refuse_strangers


async def seal(request: web.Request, reply: web.StreamResponse) -> None:
    """Put the headers on a reply before it leaves (a signal of the application)."""
    reply.headers.update(_headers(request.host))
