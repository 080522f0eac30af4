"""A sliding window of events: what it counts, a list of all events says too, whatever length it is given later."""

from hypothesis import given, strategies as st

from fingerpost.guard.window import ShareWindow

SLOTS = 20
SECONDS = st.sampled_from([5, 7, 10, 20, 60])
STEPS = st.lists(
    st.tuples(
        st.one_of(st.just(0), st.integers(0, 9), st.sampled_from([20, 28, 40, 80])),  # quarters of a second that pass
        st.one_of(st.booleans(), st.just("clear"), SECONDS.map(str)),  # an event, a clearing, another length
    ),
    max_size=60,
)


@given(SECONDS, STEPS)
def test_it_counts_as_a_list_of_all_events_does(seconds: int, steps: list[tuple[int, bool | str]]) -> None:
    """After any events, clearings and changes of length at any times both say the same."""
    window, kept, now = ShareWindow(seconds), list[tuple[int, bool]](), 100.0

    def slot() -> int:
        return int(now * SLOTS / seconds)

    for quarters, what in steps:
        now += quarters / 4
        if isinstance(what, bool):
            window.count(hit=what, now=now)
            kept.append((slot(), what))
        elif what == "clear":
            window.clear()
            kept = []
        else:
            window.resize(int(what), now)
            kept = [(number * seconds // int(what), hit) for number, hit in kept if number > slot() - SLOTS]
            seconds = int(what)
        kept = [(number, hit) for number, hit in kept if number > slot() - SLOTS]
        assert (window.events, window.hits) == (len(kept), sum(hit for _, hit in kept))
        assert window.share == (sum(hit for _, hit in kept) / len(kept) if kept else 0.0)


@given(SECONDS, st.integers(0, 100), st.integers(0, 100))
def test_what_is_over_is_forgotten_when_asked(seconds: int, quarters: int, more: int) -> None:
    """Without another event as well, a slot at a time."""
    window, now = ShareWindow(seconds), 100.0 + quarters / 4
    window.count(hit=True, now=now)
    window.forget(now + more / 4)
    is_over = int((now + more / 4) * SLOTS / seconds) - int(now * SLOTS / seconds) >= SLOTS
    assert (window.events, window.hits) == ((0, 0) if is_over else (1, 1))


def test_another_length() -> None:
    """What was over stays so under a longer window; slots that become one leave it with all they counted."""
    window = ShareWindow(5)
    window.count(hit=True, now=95.0)
    for quarter in range(12):
        window.count(hit=quarter % 3 == 0, now=99.0 + quarter / 4)
    window.resize(60, 101.75)
    assert (window.events, window.hits) == (12, 4)
    window.forget(158.9)
    assert (window.events, window.hits) == (12, 4)
    window.forget(162.0)
    assert (window.events, window.hits) == (0, 0)
