"""Sending to a webhook over real sockets: receivers that are well, ill, slow, elsewhere, or not to be trusted."""

import base64
import hashlib
import hmac
import socket
import ssl
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from fingerpost import __version__
from fingerpost.backends.webhook import Bounds, Target, Webhook, retry_after_ms, signature, target_of
from fingerpost.errors import FailedPrecondition, FingerpostError, InvalidRequest, Unavailable
from tests.authority import Authority
from tests.receiver import (
    Answer,
    Receiver,
    Request,
    closing,
    endless,
    garbage,
    hanging,
    patient,
    receiving,
    replying,
    slow_body,
    trickling,
)

SECRET = b"0123456789abcdefghijklmnopqrstuv"
BODY = '{"holder": "Åsa"}'.encode()
NOW = 1_800_000_000.75

QUICK = Bounds(connect=10.0, read=0.2, total=20.0)
"""Whoever hangs is found out soon, and nobody else is."""

SHORT = Bounds(connect=10.0, read=10.0, total=0.3)
NONE = Bounds(connect=10.0, read=10.0, total=0.0)

OURS, STRANGER = Authority(), Authority()


def webhook(url: str, bounds: Bounds | None = None, **options: Any) -> Webhook:
    return Webhook(target_of(url), lambda: [SECRET], bounds=bounds, **options)


def sent(receiver: Receiver, path: str = "/", bounds: Bounds | None = None) -> FingerpostError | None:
    """What sending to it raised."""
    return raised(webhook(f"http://127.0.0.1:{receiver.port}{path}", bounds))


def raised(sender: Webhook) -> FingerpostError | None:
    try:
        sender.send(BODY, "alert-1", NOW)
    except FingerpostError as error:
        return error
    return None


def is_signed(request: Request, secret: bytes = SECRET) -> bool:
    """Verify as the specification says, apart from the code under test."""
    headers = request.headers
    content = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), request.body])
    wanted = base64.b64encode(hmac.new(secret, content, hashlib.sha256).digest()).decode()
    signatures = [one.split(",", 1) for one in headers["webhook-signature"].split(" ")]
    return any(version == "v1" and hmac.compare_digest(text, wanted) for version, text in signatures)


# --- What a receiver gets -------------------------------------------------------------------------------------------


def test_a_message_arrives_signed() -> None:
    """POST with the path and query, the three headers of the specification, and a signature of the very bytes."""
    with receiving(replying(204)) as receiver:
        assert sent(receiver, "/hooks/budget?team=a") is None
        [request] = receiver.requests
        assert request.line == "POST /hooks/budget?team=a HTTP/1.1"
        assert request.body == BODY
        assert request.headers["webhook-id"] == "alert-1"
        assert request.headers["webhook-timestamp"] == "1800000000"
        assert is_signed(request)
        assert not is_signed(request, b"x" * 32)
        told = {name: value for name, value in request.headers.items() if not name.startswith("webhook-")}
        assert told == {
            "host": f"127.0.0.1:{receiver.port}",
            "user-agent": f"fingerpost/{__version__}",
            "content-type": "application/json",
            "content-length": str(len(BODY)),
            "accept-encoding": "identity",
        }


def test_the_signature_is_that_of_other_implementations() -> None:
    """A vector that the libraries of the specification test themselves with."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_while_a_secret_is_replaced_both_sign() -> None:
    """A receiver that knows the old one and a receiver that knows the new one both find theirs."""
    new = b"n" * 32
    with receiving(replying(200)) as receiver:
        Webhook(target_of(f"http://localhost:{receiver.port}"), lambda: [new, SECRET]).send(BODY, "alert-1", NOW)
        [request] = receiver.requests
        assert is_signed(request, new)
        assert is_signed(request, SECRET)
        assert len(request.headers["webhook-signature"].split(" ")) == 2


def test_a_user_of_the_url_is_told_to_the_receiver_alone() -> None:
    """As basic authentication, and not in the path or Host; what fails names neither user nor query."""
    with receiving(replying(200), replying(500)) as receiver:
        url = f"http://us%40er:pa%3Ass@127.0.0.1:{receiver.port}/?key=hidden"
        assert raised(webhook(url)) is None
        [request] = receiver.requests
        assert base64.b64decode(request.headers["authorization"].removeprefix("Basic ")) == b"us@er:pa:ss"
        assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
        error = raised(webhook(url))
        assert isinstance(error, Unavailable)
        assert not [word for word in ("er:", "pa", "hidden", "key") if word in error.message]


def test_cookies_are_not_kept() -> None:
    """What a receiver sets is not sent back."""
    with receiving(replying(200, "Set-Cookie: session=1")) as receiver:
        sender = webhook(f"http://127.0.0.1:{receiver.port}")
        sender.send(BODY, "alert-1", NOW)
        sender.send(BODY, "alert-2", NOW)
        assert [request.headers.get("cookie") for request in receiver.requests] == [None, None]


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_proxies_of_the_environment_are_not_asked(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment names, the receiver itself is called."""
    with receiving(replying(200)) as receiver, receiving(replying(200)) as proxy:
        monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")
        assert sent(receiver) is None
        assert (receiver.connections, proxy.connections) == (1, 0)


@pytest.mark.parametrize("id", ["a.b", "", "a\r\nX-Header: 1", "é", "x" * 129])
def test_ids_that_could_be_read_two_ways_are_not_sent(id: str) -> None:
    """A full stop divides what is signed, and a line break headers."""
    with receiving(replying(200)) as receiver:
        with pytest.raises(FailedPrecondition):
            webhook(f"http://127.0.0.1:{receiver.port}").send(BODY, id, NOW)
        assert receiver.connections == 0


# --- What receivers answer ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_accepted(status: int) -> None:
    """Any 2xx."""
    with receiving(replying(status)) as receiver:
        assert sent(receiver) is None


@pytest.mark.fault("W1")
@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_later(status: int) -> None:
    """What may work later is Unavailable, without a time where none is told."""
    with receiving(replying(status)) as receiver:
        error = sent(receiver)
        assert isinstance(error, Unavailable)
        assert str(status) in error.message
        assert error.retry_after_ms is None


@pytest.mark.parametrize("status", [300, 304, 400, 401, 403, 404, 410, 422])
def test_never(status: int) -> None:
    """What will not work is FailedPrecondition."""
    with receiving(replying(status)) as receiver:
        error = sent(receiver)
        assert isinstance(error, FailedPrecondition)
        assert str(status) in error.message


@pytest.mark.fault("W2")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    """Nobody can send the server elsewhere; whoever set the URL is told to change it."""
    with receiving(replying(200)) as elsewhere:
        there = f"Location: http://127.0.0.1:{elsewhere.port}/"
        with receiving(replying(status, there)) as receiver:
            error = sent(receiver)
        assert isinstance(error, FailedPrecondition)
        assert "redirects are not followed" in error.message
        assert elsewhere.connections == 0


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("7", 7_000),
        ("0", 0),
        (formatdate(NOW + 90, usegmt=True), 89_250),  # a date has whole seconds
        (formatdate(NOW - 90, usegmt=True), 0),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("9" * 5_000, None),
        ("Sun, 99 Nov 9999 99:99:99 GMT", None),
        ("", None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_when_to_try_again(status: int, header: str, wanted: int | None) -> None:
    """Retry-After in seconds or as a date; what is neither is as if it were not there."""
    with receiving(replying(status, f"Retry-After: {header}")) as receiver:
        error = sent(receiver)
        assert isinstance(error, Unavailable)
        assert error.retry_after_ms == wanted


NUMBERS = st.integers(0, 10_000)
DATES = st.builds(
    "Sun, {} {} {} {}:49:37 {}".format, NUMBERS, st.sampled_from(["Nov", "Nox"]), NUMBERS, NUMBERS, NUMBERS
)


@given(st.text(max_size=40) | DATES)
def test_any_retry_after_is_read(text: str) -> None:
    """Nothing that a receiver can send there raises, and no wait is negative."""
    found = retry_after_ms(text, NOW)
    assert found is None or found >= 0


# --- Receivers that are ill -----------------------------------------------------------------------------------------


@pytest.mark.fault("W1")
@pytest.mark.parametrize("answer", [hanging, closing, garbage], ids=lambda answer: answer.__name__)
def test_no_answer(answer: Answer) -> None:
    """Silence, a hang-up and another protocol end as Unavailable, and the next one arrives."""
    with receiving(answer, replying(200)) as receiver:
        assert isinstance(sent(receiver, bounds=QUICK), Unavailable)
        assert sent(receiver) is None
        assert len(receiver.requests) == 2


@pytest.mark.fault("W1")
def test_an_answer_that_trickles_in_is_cut_off() -> None:
    """Each line comes in time, the answer never: the whole is bounded."""
    with receiving(patient) as receiver:
        assert isinstance(sent(receiver, bounds=SHORT), Unavailable)


@pytest.mark.fault("W1")
@pytest.mark.parametrize("answer", [endless, slow_body, trickling], ids=lambda answer: answer.__name__)
def test_a_status_counts_without_what_follows(answer: Answer) -> None:
    """Accepted is accepted: headers or a body without end are cut off, a body that never comes is not waited for."""
    with receiving(answer) as receiver:
        assert sent(receiver, bounds=Bounds(connect=10.0, read=10.0, total=1.5)) is None


@pytest.mark.fault("W1")
def test_nobody_listens() -> None:
    """A refused connection is Unavailable."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert isinstance(raised(webhook(f"http://127.0.0.1:{port}")), Unavailable)


@pytest.mark.fault("W1")
def test_nobody_takes_the_connection() -> None:
    """A full backlog, which answers nothing, is given up after the time to connect."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf:
        where = deaf.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(where)
        sender = webhook(f"http://127.0.0.1:{where[1]}", Bounds(connect=0.2, read=10, total=10))
        assert isinstance(raised(sender), Unavailable)
        for one in waiting:
            one.close()


@pytest.mark.fault("W1")
def test_a_name_that_is_resolved_too_late_is_not_called() -> None:
    """Whoever was given up may not send any more: by then another process may have done so."""
    with receiving(replying(200)) as receiver:
        sender = webhook(f"http://localhost:{receiver.port}", NONE)
        assert isinstance(raised(sender), Unavailable)
        assert receiver.connections == 0


def test_a_name_that_is_not_known() -> None:
    """It may be known later."""

    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    error = raised(webhook("https://alerts.example.com/", resolve=unknown))
    assert isinstance(error, Unavailable)
    assert "https://alerts.example.com" in error.message


# --- TLS --------------------------------------------------------------------------------------------------------------


def serving(
    folder: Path, authority: Authority = OURS, name: str = "alerts.example.com", starts: float = -1, ends: float = 1
) -> Any:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.leaf(name, starts, ends).write(folder, "receiver"))
    return context


def trusting(receiver: Receiver, bounds: Bounds | None = None) -> Webhook:
    """One that trusts our authority, and for which the name leads to the receiver."""
    context = ssl.create_default_context(cadata=OURS.pem.decode())
    url = f"https://alerts.example.com:{receiver.port}/hook"
    return webhook(url, bounds, context=context, resolve=lambda host, port: ["127.0.0.1"])


def test_over_tls_the_name_is_kept(tmp_path: Path) -> None:
    """The checked address is connected to; SNI, certificate and Host are of the name."""
    with receiving(replying(200), context=serving(tmp_path)) as receiver:
        assert raised(trusting(receiver)) is None
        [request] = receiver.requests
        assert receiver.names == ["alerts.example.com"]
        assert request.headers["host"] == f"alerts.example.com:{receiver.port}"
        assert is_signed(request)


@pytest.mark.fault("W2")
@pytest.mark.parametrize(
    ("authority", "name", "starts", "ends"),
    [
        pytest.param(STRANGER, "alerts.example.com", -1, 1, id="another authority"),
        pytest.param(OURS, "other.example.com", -1, 1, id="another name"),
        pytest.param(OURS, "alerts.example.com", -3, -1, id="expired"),
        pytest.param(OURS, "alerts.example.com", 1, 3, id="not yet valid"),
    ],
)
def test_wrong_certificates(tmp_path: Path, authority: Authority, name: str, starts: float, ends: float) -> None:
    """Nothing is sent, and it is not tried again."""
    with receiving(replying(200), context=serving(tmp_path, authority, name, starts, ends)) as receiver:
        error = raised(trusting(receiver))
        assert isinstance(error, FailedPrecondition)
        assert "certificate" in error.message
        assert receiver.requests == []


@pytest.mark.fault("W2")
def test_the_machines_authorities_are_asked_by_default(tmp_path: Path) -> None:
    """Without being told to, nobody trusts an authority of tests."""
    with receiving(replying(200), context=serving(tmp_path)) as receiver:
        url = f"https://alerts.example.com:{receiver.port}"
        error = raised(webhook(url, resolve=lambda host, port: ["127.0.0.1"]))
        assert isinstance(error, FailedPrecondition)
        assert receiver.requests == []


@pytest.mark.fault("W2")
def test_plain_text_where_tls_should_be() -> None:
    """A receiver that speaks no TLS gets nothing."""
    with receiving(before=garbage) as receiver:
        assert isinstance(raised(trusting(receiver)), FailedPrecondition)


@pytest.mark.fault("W1")
@pytest.mark.parametrize("answer", [hanging, closing], ids=lambda answer: answer.__name__)
def test_tls_that_does_not_come_about(answer: Answer) -> None:
    """A handshake that hangs or is hung up may work later."""
    with receiving(before=answer) as receiver:
        assert isinstance(raised(trusting(receiver, Bounds(connect=0.3, read=10, total=10))), Unavailable)


@pytest.mark.fault("W1")
@pytest.mark.parametrize("answer", [hanging, closing, patient], ids=lambda answer: answer.__name__)
def test_no_answer_over_tls(tmp_path: Path, answer: Answer) -> None:
    """As in plain text; the cut from another thread harms nothing."""
    with receiving(answer, context=serving(tmp_path)) as receiver:
        assert isinstance(raised(trusting(receiver, Bounds(connect=10, read=0.5, total=0.8))), Unavailable)


# --- Addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.fault("W2")
@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.0.1",
        "fe80::1",
        "fe80::1%1",
        "febf::1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "100.100.100.200",
        "fd00:ec2::254",
    ],
)
def test_addresses_of_metadata_are_never_called(address: str) -> None:
    """However they are written, and whichever name leads to them."""
    error = raised(webhook("https://alerts.example.com", resolve=lambda host, port: [address]))
    assert isinstance(error, FailedPrecondition)
    assert "never called" in error.message


@pytest.mark.fault("W2")
@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "2852039166", "0xa9fea9fe", "[::ffff:a9fe:a9fe]"])
def test_numbers_that_mean_addresses_of_metadata(host: str) -> None:
    """In the URL itself, in each form that the resolver understands."""
    assert isinstance(raised(webhook(f"https://{host}/latest")), FailedPrecondition)


@pytest.mark.fault("W2")
def test_a_name_is_resolved_once(tmp_path: Path) -> None:
    """What a second answer of the name server would say is never asked for: the checked address is called."""
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    with receiving(replying(200), context=serving(tmp_path)) as receiver:
        context = ssl.create_default_context(cadata=OURS.pem.decode())
        sender = webhook(f"https://alerts.example.com:{receiver.port}", context=context, resolve=rebinding)
        assert raised(sender) is None
        assert asked == ["alerts.example.com"]
        assert isinstance(raised(sender), FailedPrecondition)


@pytest.mark.fault("W2")
def test_plain_http_stays_on_this_machine() -> None:
    """Where localhost leads elsewhere nothing is sent there."""
    with receiving(replying(200)) as receiver:
        elsewhere = webhook(f"http://localhost:{receiver.port}", resolve=lambda host, port: ["192.0.2.1"])
        assert isinstance(raised(elsewhere), FailedPrecondition)
        assert receiver.connections == 0


def test_the_next_address_is_tried() -> None:
    """A name with an address where nobody listens is reached at its other one, without those that are never called."""
    with receiving(replying(200)) as receiver:
        found = ["169.254.169.254", "127.0.0.9", "127.0.0.1"]
        sender = webhook(f"http://localhost:{receiver.port}", resolve=lambda host, port: found)
        assert raised(sender) is None
        assert receiver.connections == 1


# --- URLs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://h.example", Target(True, "h.example", 443, "/", "h.example", "")),
        ("HTTPS://H.example:443/a?b=c#d", Target(True, "h.example", 443, "/a?b=c", "h.example", "")),
        ("https://h.example:8443/", Target(True, "h.example", 8443, "/", "h.example:8443", "")),
        ("https://[2001:db8::1]:8443/", Target(True, "2001:db8::1", 8443, "/", "[2001:db8::1]:8443", "")),
        ("http://[::1]/", Target(False, "::1", 80, "/", "[::1]", "")),
        ("http://127.0.0.9:81/", Target(False, "127.0.0.9", 81, "/", "127.0.0.9:81", "")),
    ],
)
def test_urls_that_are_taken(url: str, wanted: Target) -> None:
    """TLS to anywhere, plain http on this machine."""
    assert target_of(url) == wanted


@pytest.mark.parametrize(
    "url",
    [
        "alerts.example.com/hook",
        "//alerts.example.com",
        "ftp://alerts.example.com",
        "https://",
        "https:///hook",
        "https://user:secret@al erts.example.com",
        "https://user:secret@alerts.example.com:99999",
        f"https://user:secret@{'x' * 64}.example.com",
        "https://user:secret@alerts..example.com",
        "http://alerts.example.com/?key=secret",
        "http://10.0.0.1/?key=secret",
        "http://localhost.example.com/",
        "http://[::ffff:10.0.0.1]/",
        "file:///etc/passwd",
    ],
)
def test_urls_that_are_refused(url: str) -> None:
    """With the setting and what to give instead, and without what the URL may hide."""
    with pytest.raises(InvalidRequest, match=r"FINGERPOST_ALERT_WEBHOOK: .*https") as caught:
        target_of(url)
    assert "secret" not in caught.value.message
    assert [field.field for field in caught.value.fields] == ["alert_webhook"]
