"""By what a side proves itself, and how its packets are sealed (touches a private part of aiortc 1.16, as
`transport.wire` does). Knows no connection."""

from aiortc import RTCCertificate
from aiortc.rtcdtlstransport import SRTPProtectionProfile
from OpenSSL import SSL

# Upstream's suites, another one first: ChaCha20-Poly1305 counts its records without naming them (RFC 7905, section 2),
# where AES-GCM names each once more (RFC 5288, section 3): 8 bytes of every packet, of which motion's own are some 15.
# The client's order counts; a side that knows the other suites alone is met as before.
SUITES = b"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA"


class Certificate(RTCCertificate):
    """A certificate and its key, good for thirty days, by which the other side knows a peer again."""

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> SSL.Context:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_cipher_list(SUITES)
        return context


def make_certificate() -> Certificate:
    """Make a certificate and its key."""
    return Certificate.generateCertificate()
