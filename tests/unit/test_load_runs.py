"""What is told of a run, of a flood, and of what the server counted."""

import pytest

from benchmarks.load.driver import LAG_LIMIT_MS, Run, Target
from benchmarks.load.flood import Flood, framed, parsed
from benchmarks.load.times import Times
from benchmarks.serving import Metrics

TARGET = Target("127.0.0.1:1", "/package.Service/Method", (b"",), connections=50)


def run(lag_ms: float | None) -> Run:
    lag = None if lag_ms is None else Times([lag_ms / 1e3] * 100)
    codes = {"OK": Times([0.002] * 90), "RESOURCE_EXHAUSTED": Times([0.001] * 10)}
    return Run(50.0, 2.0, 0.5, codes, in_time=80, lag=lag, pushback=10)


@pytest.mark.parametrize(("lag_ms", "void"), [(LAG_LIMIT_MS - 0.1, False), (LAG_LIMIT_MS + 0.1, True), (None, False)])
def test_a_late_generator_makes_a_run_void(lag_ms: float | None, void: bool) -> None:
    """The p99 of its own lag decides; a closed loop has no schedule to be late for."""
    assert run(lag_ms).void is void
    assert run(lag_ms).summary()["void"] is void


def test_goodput_counts_answers_in_time() -> None:
    """OK after the deadline is no goodput, and neither is a refusal."""
    summary = run(0.1).summary()
    assert (summary["sent"], summary["goodput_per_s"], summary["ok_share"]) == (100, 40.0, 0.9)
    assert summary["codes"]["RESOURCE_EXHAUSTED"]["count"] == summary["refusals_with_pushback"] == 10


def test_a_message_is_framed_as_grpc_wants_it() -> None:
    """Not compressed, four bytes of length, the message."""
    assert framed(b"abc") == b"\x00\x00\x00\x00\x03abc"


@pytest.mark.parametrize(("share", "in_flight"), [(1, 128), (8, 16)])
def test_a_flood_keeps_so_many_in_flight(share: int, in_flight: int) -> None:
    """Connections times streams of one process are its share, exactly."""
    options = Flood(TARGET, seconds=2.5, in_flight=128).options(share)
    named = dict(zip(options[::2], options[1::2], strict=True))
    assert int(named["-c"]) * int(named["-m"]) == in_flight
    assert named["-D"] == "2500ms"


def test_a_flood_offers_its_rate() -> None:
    """Connections times the rate of each, over all processes, is the rate."""
    options = Flood(TARGET, seconds=1, rate=1_000).options(8)
    named = dict(zip(options[::2], options[1::2], strict=True))
    assert 8 * int(named["-c"]) * float(named["--rps"]) == pytest.approx(1_000, rel=0.001)


H2LOAD = """
finished in 2.00s, 1499.50 req/s, 350.36KB/s
requests: 2999 total, 3000 started, 2999 done, 2998 succeeded, 1 failed, 1 errored, 0 timeout
status codes: 2998 2xx, 0 3xx, 0 4xx, 0 5xx
"""


def test_h2load_is_read() -> None:
    """Its counts, its rate, and the times of its log without failed requests."""
    found = parsed(H2LOAD, "1\t200\t1000\n2\t200\t3000\n3\t-1\t9000\n")
    assert (found.done, found.failed, found.per_s, len(found.times)) == (2999, 1, 1499.5, 2)
    with pytest.raises(RuntimeError, match="h2load failed: no such host"):
        parsed("no such host", "")


def metrics(time: float, ok: float, refused: float, fast: float, all_lags: float) -> Metrics:
    calls, lag = "fingerpost_calls_total", "fingerpost_event_loop_lag_seconds"
    samples = {
        (calls, frozenset({("method", "Route"), ("code", "OK")})): ok,
        (calls, frozenset({("method", "Check"), ("code", "OK")})): 1.0,
        (calls, frozenset({("method", "Route"), ("code", "RESOURCE_EXHAUSTED")})): refused,
        (f"{lag}_bucket", frozenset({("le", "0.002")})): fast,
        (f"{lag}_bucket", frozenset({("le", "0.005")})): all_lags,
        (f"{lag}_bucket", frozenset({("le", "+Inf")})): all_lags,
        (f"{lag}_count", frozenset()): all_lags,
    }
    return Metrics(time, samples)


def test_what_the_server_counted_in_between() -> None:
    """Differences of counters, summed by label, and the bucket that holds a share of a histogram."""
    counted = metrics(12.0, 30, 5, 190, 200).since(metrics(10.0, 10, 5, 100, 100))
    assert counted.time == 2.0
    assert counted.by("fingerpost_calls_total", "code") == {"OK": 20.0}
    assert counted.sum("fingerpost_calls_total", method="Route") == 20.0
    assert counted.bound_at("fingerpost_event_loop_lag_seconds", 0.9) == 0.002
    assert counted.bound_at("fingerpost_event_loop_lag_seconds", 0.99) == 0.005
    assert counted.bound_at("fingerpost_absent", 0.99) is None
