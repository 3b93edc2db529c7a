"""By what a side proves itself, and how its packets are sealed (touches a private part of aiortc 1.16, as
`transport.wire` does). Knows no connection."""

from typing import Any

from aiortc import RTCCertificate
from aiortc.rtcdtlstransport import SRTPProtectionProfile

# Upstream's suites and profiles, others first. ChaCha20-Poly1305 counts DTLS's records without naming them (RFC 7905,
# section 2), where AES-GCM names each once more (RFC 5288, section 3): 8 bytes of every packet. SRTP's first profile,
# which WebRTC demands of everybody (RFC 8827, section 6.5), has a tag of 10 bytes where AES-GCM's has 16; motion's own
# bytes are some 15. Of suites the client's order counts, of profiles the server's; who knows the others alone is met as
# before.
SUITES = b"ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA"
SHORT_TAG = b"SRTP_AES128_CM_SHA1_80"


class Certificate(RTCCertificate):
    """A certificate and its key, good for thirty days, by which the other side knows a peer again."""

    def _create_ssl_context(self, srtp_profiles: list[SRTPProtectionProfile]) -> Any:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_cipher_list(SUITES)
        shortest_first = sorted(srtp_profiles, key=lambda profile: profile.openssl_profile != SHORT_TAG)
        context.set_tlsext_use_srtp(b":".join(profile.openssl_profile for profile in shortest_first))
        return context


def make_certificate() -> Certificate:
    """Make a certificate and its key."""
    return Certificate.generateCertificate()
