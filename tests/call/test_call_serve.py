"""`visavis serve` as a process: it says where it is, serves a room, and ends cleanly."""

import asyncio
import re
import signal

import aiohttp
import pytest

from call import options, serve
from tests.call.program import Start, Visavis, sentence_of
from tests.patience import PATIENCE_S
from transport.rooms import RoomMeeting
from transport.serve import Counts, RoomServer


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_a_server_lets_a_side_in_and_ends_cleanly_when_asked(
    start: Start, patient: None, number: signal.Signals
) -> None:
    process = start("serve", "--host", "127.0.0.1", "--port", "0")
    assert process.stderr is not None
    found = re.search(r"ws://[\d.]+:\d+", process.stderr.readline())
    assert found is not None
    meeting = RoomMeeting(found[0], "den")
    await meeting.open()
    health = f"{found[0].replace('ws', 'http', 1)}/health"
    async with aiohttp.ClientSession() as session, session.get(health) as reply:
        assert await reply.json() == {"rooms": 1, "peers": 1}
    reader, writer = await asyncio.open_connection("127.0.0.1", int(found[0].rpartition(":")[2]))
    writer.write(b"GET /" + b"x" * 20_000)  # of which nobody wants to read in the server's window
    assert b"400" in await reader.readline()
    writer.close()
    process.send_signal(number)
    assert process.wait(PATIENCE_S) == 0
    said = process.stderr.read().splitlines()
    warning, end = (line for line in said if "in the last minute" not in line)
    assert "TLS" in warning
    assert end == "Stopped."
    await meeting.close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--cert", "nowhere.pem"), "nowhere.pem is not there"),
        (("--cert", __file__, "--key", "nowhere.pem"), "nowhere.pem is not there"),
        (("--cert", __file__), "must be PEM"),
        (("--host", "192.0.2.77"), "cannot listen"),
    ],
    ids=["no certificate", "no key", "no PEM", "no address of ours"],
)
def test_what_a_server_cannot_use_is_named(visavis: Visavis, arguments: tuple[str, ...], said: str) -> None:
    assert said in sentence_of(visavis("serve", *arguments))


def test_a_key_alone_is_wrong_usage(visavis: Visavis) -> None:
    result = visavis("serve", "--key", __file__)
    assert result.returncode == 2
    assert "--cert" in result.stderr


def test_a_line_a_minute_says_how_many_where_that_is_news_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    counted = iter([Counts(3, 5, 10, 1), Counts(2, 4, 14, 1), Counts(2, 4, 18, 1), Counts(2, 4, 18, 1)])

    def counts(server: RoomServer) -> Counts:
        counts = next(counted, None)
        if counts is None:
            raise KeyboardInterrupt
        return counts

    monkeypatch.setattr(RoomServer, "counts", counts)
    monkeypatch.setattr(serve, "REPORT_PERIOD_S", 0.01)
    with pytest.raises(KeyboardInterrupt):
        serve.run(options.Serve("127.0.0.1", 0, None, None, behind_proxy=False))
    said = capsys.readouterr().err
    assert "3 rooms, 5 connected; in the last minute 10 meetings, 1 refused" in said
    assert said.count("2 rooms, 4 connected; in the last minute 4 meetings, 0 refused") == 1
    assert "2 rooms, 4 connected; in the last minute 0 meetings, 0 refused" in said
