"""Addresses as people type them."""

import pytest

from call.address import Address, address_to_tell, parse_address
from call.errors import CallError


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("192.168.1.5:9000", Address("192.168.1.5", 9000)),
        ("laptop.local", Address("laptop.local", 8765)),
        (":9000", Address("0.0.0.0", 9000)),
        ("[::1]:9000", Address("::1", 9000)),
        ("::1", Address("::1", 8765)),
        ("127.0.0.1:0", Address("127.0.0.1", 0)),
    ],
)
def test_an_address_is_read_as_it_is_meant(typed: str, read: Address) -> None:
    assert parse_address(typed) == read


@pytest.mark.parametrize(
    "typed",
    ["host:port", "host:70000", "http://host", "a b", "host:-1", "host:²", "8765", "1.2.3", "1.2.3.256:80"],
)
def test_what_is_no_address_is_said_to_be_none(typed: str) -> None:
    with pytest.raises(CallError, match="is no address"):
        parse_address(typed)


def test_an_address_is_written_as_it_can_be_typed_again() -> None:
    for address in (Address("::1", 9000), Address("10.0.0.1", 80)):
        assert parse_address(str(address)) == address


def test_a_server_on_every_interface_is_named_by_one_that_can_be_reached() -> None:
    told = address_to_tell(Address("0.0.0.0", 9000))
    assert told.port == 9000
    assert told.host != "0.0.0.0"


def test_a_server_on_one_interface_is_named_by_it() -> None:
    assert address_to_tell(Address("127.0.0.1", 9000)) == Address("127.0.0.1", 9000)
