"""How packets are sealed, between two sides of ours and with one that knows the usual suites alone."""

import inspect

import pytest
from aiortc import RTCCertificate, RTCDtlsTransport
from transport_sides import Side, until

from transport.certificate import Certificate, make_certificate
from transport.meet import connect_in_process


def test_upstream_asks_a_certificate_how_to_seal() -> None:
    parameters = inspect.signature(RTCCertificate._create_ssl_context).parameters
    assert list(parameters) == ["self", "srtp_profiles"]
    assert "._create_ssl_context(" in inspect.getsource(RTCDtlsTransport.start)


def with_usual_suites() -> Certificate:
    """Return a certificate of which upstream orders the suites."""
    return RTCCertificate.generateCertificate()  # type: ignore[return-value]


@pytest.mark.parametrize("usual", [(), (0,), (1,)])
async def test_sides_meet_whichever_suites_they_would_rather_have(usual: tuple[int, ...]) -> None:
    sides = [Side(with_usual_suites() if index in usual else make_certificate()) for index in (0, 1)]
    try:
        await connect_in_process(*(side.peer for side in sides))
        sides[0].peer.send_motion(b"motion")
        await until(lambda: sides[1].motions == [b"motion"])
        sealed = [side.peer._connection.sctp.transport._ssl for side in sides]  # type: ignore[union-attr]
        names = {(ssl.get_selected_srtp_profile(), ssl.get_cipher_name()) for ssl in sealed}  # type: ignore[union-attr]
    finally:
        for side in sides:
            await side.peer.close()
    assert len(names) == 1
    assert usual or names == {(b"SRTP_AES128_CM_SHA1_80", "ECDHE-ECDSA-CHACHA20-POLY1305")}
