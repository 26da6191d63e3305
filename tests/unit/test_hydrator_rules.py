"""The hydrator's rules one by one, in virtual time: when it asks, how often, and what it makes of answers."""

import asyncio
import itertools
import random
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from connector.errors import RecordRefused
from connector.hydrator.ports import Answer
from connector.hydrator.verdict import LOGIN_FIX
from tests import virtual_time
from tests.hydrator_world import HTML, START, Faults, Process, Skew, World, body_of, mirrored, sources


def play(
    story: Callable[[World, Process], Awaitable[None]],
    *,
    faults: Faults | None = None,
    skew: Skew | None = None,
    script: Callable[[str], Answer | None] = lambda _: None,
    **settings: Any,
) -> World:
    """A world with one hydrator in which a story happens; faults last as long as it does."""

    async def run() -> World:
        world = World(random.Random(1), faults or Faults(), quiet_at=float("inf"), script=script)
        process = Process(world, sources(**settings), skew or Skew(), seed=1)
        await story(world, process)
        assert process.killed or not process.task.done(), process.task.exception()
        process.kill()
        return world

    return virtual_time.run(run())


def sent(world: World, key: str = "1") -> list[float]:
    return [request.sent for request in world.requests if request.key == key]


def wait(seconds: float) -> Callable[[World, Process], Awaitable[None]]:
    """A record changes once, and then so many seconds pass."""

    async def story(world: World, _process: Process) -> None:
        world.change("1")
        await asyncio.sleep(seconds)

    return story


def test_many_hooks_of_one_record_are_one_request() -> None:
    async def story(world: World, _process: Process) -> None:
        for _ in range(20):
            world.change("1")
            await asyncio.sleep(0.05)
        await asyncio.sleep(30)

    world = play(story)
    assert len(sent(world)) <= 2
    assert mirrored(world) == {"1": 20}


@pytest.mark.parametrize("skew", [-600.0, 0.0, 600.0])
def test_a_record_that_changes_every_second_is_fetched_every_settle_period(skew: float) -> None:
    async def story(world: World, _process: Process) -> None:
        for _ in range(120):
            world.change("1")
            await asyncio.sleep(1)

    requests = sent(play(story, skew=Skew(skew)))
    gaps = [after - before for before, after in itertools.pairwise(requests)]
    assert round(min(gaps), 6) >= 2
    assert max(gaps) < 3.5


@pytest.mark.parametrize("skew", [-600.0, 0.0])
def test_a_record_settles_after_its_newest_request_too(skew: float) -> None:
    async def story(world: World, _process: Process) -> None:
        for pause in (0.5, 30.0):
            world.change("1")
            await asyncio.sleep(pause)

    # A clock that lags gives the snapshot a time before its request, by which it settled long ago.
    first, second = sent(play(story, skew=Skew(skew)))
    assert round(second - first, 6) >= 2


def test_a_key_whose_lease_ended_while_its_request_is_under_way_is_not_asked_for_twice_at_once() -> None:
    async def story(world: World, process: Process) -> None:
        world.change("0")  # shows that the API works, so that several may be asked for at a time
        await asyncio.sleep(30)
        world.change("1")
        await asyncio.sleep(1.9)
        process.freeze(200)  # until its lease has ended; then the request leaves
        await asyncio.sleep(400)

    world = play(story, faults=Faults(slow_share=1.0))
    assert len(sent(world)) == 2
    assert world.doubled == []


@pytest.mark.parametrize("skew", [-600.0, 0.0, 600.0])
def test_a_record_settles_from_its_hook_and_not_from_when_it_is_leased(skew: float) -> None:
    async def story(world: World, process: Process) -> None:
        await asyncio.sleep(30)
        for place in range(10):
            world.change(f"fresh-{place}")
            await asyncio.sleep(0.31)
        await asyncio.sleep(10)
        process.kill()
        world.change("settled")
        await asyncio.sleep(30)
        last = Process(world, sources(), Skew(skew), seed=2)
        await asyncio.sleep(5)
        last.kill()

    world = play(story, skew=Skew(skew))
    waits = [sent(world, f"fresh-{place}")[0] - world.hooks[f"fresh-{place}"][0] for place in range(1, 10)]
    assert min(waits) >= 2
    # The worker takes 0.2 s to mirror a hook, and the store is asked every 0.25 s.
    assert max(waits) < 2.21
    assert sent(world, "settled")[0] - world.hooks["settled"][0] < 31


@pytest.mark.parametrize("seconds", [-600.0, 0.0, 600.0])
def test_a_snapshot_is_later_than_its_hook_and_than_the_one_before_whatever_the_clock_says(
    seconds: float,
) -> None:
    async def story(world: World, process: Process) -> None:
        for _ in range(3):
            world.change("1")
            await asyncio.sleep(10)
            process.skew.seconds -= 300

    world = play(story, skew=Skew(seconds))
    times = [event.occurred_at for event in world.events]
    hooks = [int((START + hook) * 1_000_000) for hook in world.hooks["1"]]
    assert len(times) == 3
    assert times == sorted(set(times))
    assert all(time > hook for time, hook in zip(times, hooks, strict=True))
    assert mirrored(world) == {"1": 3}


def test_the_time_of_a_snapshot_is_when_its_request_was_sent_and_not_when_it_was_answered() -> None:
    async def story(world: World, _process: Process) -> None:
        world.change("1")
        await asyncio.sleep(60)

    world = play(story, faults=Faults(slow_share=1.0))
    (event,) = world.events
    (request,) = world.requests
    assert event.occurred_at == pytest.approx((START + request.sent) * 1_000_000, abs=2)
    assert event.received_at - event.occurred_at > 5_000_000


def test_an_answer_whose_lease_has_ended_is_published_by_nobody() -> None:
    async def story(world: World, process: Process) -> None:
        world.change("1")
        await asyncio.sleep(4)
        assert len(world.requests) == 1
        process.freeze(200)
        await asyncio.sleep(300)

    world = play(story, faults=Faults(slow_share=1.0))
    first = int((START + world.requests[0].sent) * 1_000_000)
    assert mirrored(world) == {"1": 1}
    assert all(event.occurred_at > first + 1_000_000 for event in world.events)


def test_keys_whose_lease_ends_during_a_pause_are_sent_once_after_it() -> None:
    async def story(world: World, _process: Process) -> None:
        world.script = lambda _: Answer(429, {"retry-after": "300"}, b"") if _seconds() < 100 else None
        for key in range(20):
            world.change(str(key))
        await asyncio.sleep(400)

    world = play(story)
    after = [request.key for request in world.requests if request.sent > 100]
    assert sorted(after) == sorted({str(key) for key in range(20)})


def test_a_hydrator_that_is_asked_to_end_leaves_each_key_due_at_once() -> None:
    async def story(world: World, process: Process) -> None:
        for key in range(30):
            world.change(str(key))
        await asyncio.sleep(4)
        assert any(world.in_flight.values())
        process.task.cancel()
        await asyncio.wait([process.task])
        process.killed = True
        assert not any(work.leased_until > _seconds() for work in world.store.works.values())
        assert len(world.store.due()) == 30 - len(mirrored_keys(world))

    play(story, faults=Faults(slow_share=1.0))


def test_a_second_look_finds_what_the_first_answer_did_not_have() -> None:
    async def story(world: World, _process: Process) -> None:
        world.truth["1"] = [(-100.0, 1)]
        world.change("1")
        world.script = lambda _: Answer(200, {}, body_of("1", 1)) if _seconds() < 20 else None
        await asyncio.sleep(90)

    world = play(story, order={"again_after_seconds": 20})
    assert mirrored(world) == {"1": 2}
    assert len(sent(world)) == 2
    assert sent(world)[1] - sent(world)[0] == pytest.approx(20, abs=1)


def test_a_backlog_after_an_hour_of_outage_is_drained_at_the_limit_and_never_above_it() -> None:
    keys = 750

    async def story(world: World, _process: Process) -> None:
        for key in range(keys):
            world.change(str(key))
        await asyncio.sleep(3600)
        assert len(world.requests) < 120, "an outage is no reason to ask again and again"
        await asyncio.sleep(600)
        assert len(mirrored_keys(world)) == keys

    world = play(story, faults=Faults(limit=300, away=(0.0, 3600.0)))
    assert {event.action for event in world.events} == {"OrderSnapshot"}
    times = [request.arrived for request in world.requests if request.answered]
    assert not world.above_limit
    # The first is alone, and the last are those that were tried during the outage.
    assert (700 - 60) / (times[700] - times[60]) * 60 > 0.95 * 300
    assert max(sum(at <= one < at + 1 for one in times) for at in times[::10]) <= 15, "no burst"


def mirrored_keys(world: World) -> set[str | None]:
    return {event.entity_key for event in world.events}


def test_a_refused_login_ends_all_requests_and_names_the_settings() -> None:
    found = []

    async def story(world: World, process: Process) -> None:
        for key in range(20):
            world.change(str(key))
        await asyncio.sleep(7200)
        found.append(process.hydrator.refused())

    world = play(story, script=lambda _: Answer(401, {}, b"shopuser pass#word"))
    assert len(world.requests) == 1
    assert found == [f"The API answers 401 [login] [login] for CustomerOrders. {LOGIN_FIX}"]


@pytest.mark.parametrize(
    "header", ["0", "-1", "soon", "", "1e400", "nan", "Wed, 21 Oct 2015 07:28:00 GMT", None]
)
def test_a_429_with_a_useless_retry_after_is_no_hot_loop(header: str) -> None:
    headers = {"retry-after": header}
    world = play(
        wait(600), faults=Faults(headers="none"), script=lambda _: Answer(429, headers, b"Too many requests")
    )
    assert 10 <= len(sent(world)) <= 30


def test_a_header_that_repeats_the_login_has_no_part_of_it_in_a_log() -> None:
    headers = {"retry-after": "pass#word", "x-ratelimit-limit": "Basic c2hvcHVzZXI6cGFzcyN3b3Jk"}
    with capture_logs() as lines:
        play(wait(30), script=lambda _: Answer(429, headers, b"shopuser"))
    values = {line["header"]: line["value"] for line in lines if "header" in line}
    assert values == {"retry-after": "[login]", "x-ratelimit-limit": "[login]"}
    assert not re.search("shopuser|pass#word|c2hvc", str(lines))


def test_a_429_is_waited_for_as_long_as_it_says() -> None:
    world = play(wait(150), script=lambda _: Answer(429, {"retry-after": "30"}, b""))
    gaps = [after - before for before, after in zip(sent(world), sent(world)[1:], strict=False)]
    assert gaps
    assert all(30 <= gap < 35 for gap in gaps)
    assert not world.letters


def test_a_record_that_is_missing_at_first_is_found_when_it_appears() -> None:
    async def story(world: World, _process: Process) -> None:
        world.script = lambda _: Answer(404, {}, b"") if _seconds() < 10 else None
        world.change("1")
        await asyncio.sleep(40)

    world = play(story)
    assert mirrored(world) == {"1": 1}
    assert len(world.events) == 1


@pytest.mark.parametrize("answer", [Answer(404, {}, b""), Answer(400, {}, b"There is no row at position 0.")])
def test_a_record_that_stays_missing_is_gone_after_its_time_and_not_before(answer: Answer) -> None:
    world = play(wait(120), script=lambda _: answer)
    (event,) = world.events
    assert (event.action, event.details) == ("OrderGone", b'{"orderHeader":{"orderNumber":"1"}}')
    assert 20 <= sent(world)[-1] - sent(world)[0] < 45
    assert not world.letters


def in_turn(*answers: Answer) -> Callable[[str], Answer]:
    """One answer after the other, and again from the first."""
    turns = itertools.cycle(answers)
    return lambda _: next(turns)


MISSING, OUTAGE, REFUSAL = Answer(404, {}, b""), Answer(500, {}, b"oops"), Answer(400, {}, b"no")


def test_outages_in_between_do_not_end_the_belief_that_a_record_is_gone() -> None:
    world = play(wait(600), script=in_turn(MISSING, OUTAGE))
    assert [event.action for event in world.events] == ["OrderGone"]
    assert sent(world)[-1] - sent(world)[0] > 20
    assert len(sent(world)) < 16
    assert not world.letters


@pytest.mark.parametrize("others", [(OUTAGE,), (OUTAGE, HTML), (HTML,)])
def test_five_refusals_are_a_dead_letter_whatever_their_kind_and_what_comes_between(
    others: tuple[Answer, ...],
) -> None:
    async def story(world: World, _process: Process) -> None:
        answers = in_turn(REFUSAL, *others)
        world.script = lambda key: answers(key) if key == "1" else None
        world.change("2")  # the API works, so that HTML is of one record alone
        world.change("1")
        for _ in range(60):
            await asyncio.sleep(20)
            world.change("2")

    world = play(story)
    (letter,) = world.letters
    assert letter.context["entity_key"] == "1"
    assert letter.reason in ("request-refused", "record-unreadable")
    assert 5 <= len(sent(world)) <= 16


def test_a_record_that_is_missing_and_refused_in_turn_is_asked_for_without_end_by_nobody() -> None:
    world = play(wait(900), script=in_turn(MISSING, REFUSAL))
    assert len(world.events) + len(world.letters) == 1
    assert len(sent(world)) < 12


def test_a_record_that_is_made_again_just_when_it_is_believed_gone_is_found_by_the_second_look() -> None:
    async def story(world: World, _process: Process) -> None:
        world.script = lambda _: Answer(404, {}, b"") if _seconds() < 40 else None
        world.change("1")
        await asyncio.sleep(29)
        # Made again, while the API still answers with what was before: the last try until it is believed.
        world.change("1")
        await asyncio.sleep(90)

    world = play(story, order={"again_after_seconds": 15})
    assert world.events[0].action == "OrderGone"
    assert mirrored(world) == {"1": 2}


LIST = {
    "path": "CustomerOrders",
    "key": {"orderNumber": "orderNumber"},
    "paginator": {"type": "page_index", "page_param": "pageOffset"},
    "full_scan_hours": 24,
}


@pytest.mark.parametrize(
    "answer", [Answer(404, {}, b"<html>"), Answer(404, {}, b'{"message": "No route"}'), HTML]
)
def test_no_record_is_gone_while_the_list_of_all_is_not_there_either(answer: Answer) -> None:
    troubles = []

    async def story(world: World, process: Process) -> None:
        world.script = lambda key: answer if "?" in key else Answer(404, {}, b"")
        for key in range(3):
            world.change(str(key))
        await asyncio.sleep(600)
        assert not world.events
        troubles.append(process.hydrator.away())
        world.script = lambda _: None
        await asyncio.sleep(120)
        troubles.append(process.hydrator.away())

    world = play(story, order={"list": LIST})
    assert mirrored(world) == {"0": 1, "1": 1, "2": 1}
    assert "XTND_API_URL" in str(troubles[0])
    assert troubles[1] is None
    lists = [request for request in world.requests if "?" in request.key]
    assert 2 <= len(lists) <= 11, "once a minute at most"
    assert len(world.requests) < 100


def test_a_record_that_stays_missing_is_gone_when_the_list_of_all_is_there() -> None:
    world = play(
        wait(120),
        order={"list": LIST},
        script=lambda key: Answer(200, {}, b"[]") if "?" in key else Answer(404, {}, b""),
    )
    assert [event.action for event in world.events] == ["OrderGone"]
    assert len([request for request in world.requests if "?" in request.key]) == 1
    assert 20 <= sent(world)[-1] - sent(world)[0] < 45


@pytest.mark.parametrize(
    "answer", [Answer(400, {}, b"Timeout expired."), Answer(503, {}, b""), Answer(429, {}, b"")]
)
def test_an_outage_of_the_list_of_all_puts_off_the_belief_by_seconds_and_names_no_wrong_address(
    answer: Answer,
) -> None:
    asked, troubles = [], []

    def script(key: str) -> Answer:
        if "?" not in key:
            return Answer(404, {}, b"")
        asked.append(key)
        return answer if len(asked) == 1 else Answer(200, {}, b"[]")

    async def story(world: World, process: Process) -> None:
        world.change("1")
        while not world.events:
            await asyncio.sleep(1)
            troubles.append(process.hydrator.away())

    world = play(story, order={"list": LIST}, script=script)
    assert [event.action for event in world.events] == ["OrderGone"]
    assert len(asked) == 2
    assert sent(world)[-1] - sent(world)[0] < 55
    assert set(troubles) == {None}


def test_a_key_that_the_api_refuses_is_tried_five_times_and_then_a_dead_letter_with_the_fix() -> None:
    body = b'{"message": "Order is locked by shopuser pass#word c2hvcHVzZXI6cGFzcyN3b3Jk"}'

    async def story(world: World, _process: Process) -> None:
        world.change("1")
        await asyncio.sleep(600)
        assert len(sent(world)) == 5
        world.change("1")
        await asyncio.sleep(30)
        assert len(sent(world)) > 5, "the next hook asks again"

    world = play(story, script=lambda _: Answer(400, {}, body))
    (letter,) = world.letters
    assert (letter.stage, letter.reason) == ("hydrator", "request-refused")
    assert letter.context == {"source": "xtnd", "family": "orders", "entity_key": "1"}
    assert "Order is locked by [login] [login] [login]" in letter.error
    assert "sources.yaml" in letter.error
    assert letter.error.endswith(f" so does: connector dead-letters replay {letter.dead_letter_id[:12]}")
    assert not any(secret in str(letter) for secret in ("pass#word", "shopuser", "c2hvcHVzZXI6"))


def test_failures_of_the_api_are_no_refusals_of_the_key() -> None:
    async def story(world: World, _process: Process) -> None:
        world.script = lambda _: Answer(500 if len(sent(world)) <= 6 else 400, {}, b"")
        world.change("1")
        await asyncio.sleep(3600)

    world = play(story)
    assert len(sent(world)) == 6 + 5
    assert len(world.letters) == 1


@pytest.mark.parametrize(
    "answer",
    [
        HTML,
        Answer(200, {}, b""),
        Answer(204, {}, b""),
        Answer(200, {}, body_of("2", 7)),
        Answer(200, {}, b'{"orderHeader": {"orderNumber": "1"'),
        Answer(200, {}, b'[{"orderHeader": {"orderNumber": "1"}}]'),
        Answer(200, {}, b'{"orderHeader": {"orderNumber": "\xff"}}'),
        Answer(200, {}, b'{"orderHeader": 1}'),
    ],
)
def test_an_answer_that_is_no_record_of_one_key_is_given_up_and_stops_no_other(answer: Answer) -> None:
    async def story(world: World, _process: Process) -> None:
        for round_ in range(40):
            world.change("1")
            world.change(str(round_ + 10))
            await asyncio.sleep(10)

    world = play(story, script=lambda key: answer if key == "1" else None)
    assert {letter.context["entity_key"] for letter in world.letters} == {"1"}
    assert len(mirrored_keys(world)) == 40
    assert "1" not in mirrored_keys(world)


def test_while_all_answers_are_html_nothing_is_given_up_and_the_trouble_is_named() -> None:
    troubles = []

    async def story(world: World, process: Process) -> None:
        for key in range(10):
            world.change(str(key))
        await asyncio.sleep(7200)
        troubles.append(process.hydrator.away())
        assert len(world.requests) < 200
        world.script = lambda _: None
        await asyncio.sleep(700)
        assert process.hydrator.away() is None

    world = play(story, script=lambda _: HTML)
    assert troubles == ["The answer is not the record: it is HTML (text/html)."]
    assert not world.letters
    assert len(mirrored_keys(world)) == 10


def test_an_api_that_fails_for_one_record_alone_delays_no_other() -> None:
    async def story(world: World, _process: Process) -> None:
        world.change("1")
        for key in range(2, 200):
            world.change(str(key))
            await asyncio.sleep(2)

    world = play(story, script=lambda key: Answer(500, {}, b"") if key == "1" else None)
    late = [world.requests[-1].sent - max(sent(world, str(key))) for key in (197, 198)]
    assert len(mirrored_keys(world)) >= 195, late
    assert 4 <= len(sent(world)) <= 12
    assert not world.letters


@pytest.mark.parametrize("key", [".", "..", " "])
def test_a_key_that_would_ask_for_something_else_is_a_dead_letter_without_a_request(key: str) -> None:
    async def story(world: World, _process: Process) -> None:
        world.change(key)
        await asyncio.sleep(60)

    world = play(story)
    assert not world.requests
    assert [letter.reason for letter in world.letters] == ["key-not-askable"]


def test_a_record_that_kafka_never_takes_is_a_dead_letter_without_the_record() -> None:
    async def story(world: World, process: Process) -> None:
        async def refuse(_event: object) -> None:
            raise RecordRefused("The record takes 4000000 bytes.")

        process.publish = refuse  # type: ignore[method-assign]
        world.change("1")
        await asyncio.sleep(60)

    world = play(story)
    (letter,) = world.letters
    assert (letter.reason, letter.payload) == ("record-too-large", b"")
    assert "topics.max_message_bytes" in letter.error
    assert len(sent(world)) == 1


def test_while_kafka_is_away_the_api_is_asked_no_more_than_a_lease_allows() -> None:
    async def story(world: World, _process: Process) -> None:
        for key in range(40):
            world.change(str(key))
        await asyncio.sleep(600)
        assert len(world.requests) < 300
        world.faults.kafka_away = (-1.0, -1.0)
        await asyncio.sleep(200)

    world = play(story, faults=Faults(kafka_away=(0.0, 1e9)))
    assert len(mirrored_keys(world)) == 40


def test_background_work_has_its_share_while_hooks_ask_and_all_of_the_limit_when_they_do_not() -> None:
    async def story(world: World, _process: Process) -> None:
        for key in range(1000):
            world.store.works[f"b{key}"].background = True
            world.truth[f"b{key}"] = [(0.0, 1)]
        for second in range(120):
            for key in range(2):
                world.change(f"{second}-{key}")
            await asyncio.sleep(1)
        await asyncio.sleep(150)

    shared = sources().rate.model_copy(update={"background_share": 0.2})
    world = play(story, faults=Faults(limit=300), rate=shared)
    busy = [request for request in world.requests if 30 <= request.sent < 120]
    quiet = [request for request in world.requests if 190 <= request.sent < 250]
    background = [request for request in busy if request.key.startswith("b")]
    assert len(busy) - len(background) >= 0.95 * 2 * 90, "hooks are first"
    assert 0 < len(background) <= 0.25 * 300 * 1.5
    assert len(quiet) >= 0.95 * 300


def test_what_sources_yaml_excludes_is_in_no_event() -> None:
    header = b'{"orderNumber": "1", "email": "a@b.se", "total": 1.10}'
    body = b'{"orderHeader": ' + header + b', "orderRows": [{"note": "x"}]}'
    world = play(
        wait(20), script=lambda _: Answer(200, {}, body), exclude=["orderHeader.email", "orderRows.note"]
    )
    (event,) = world.events
    assert event.details == b'{"orderHeader":{"orderNumber":"1","total":1.10},"orderRows":[{}]}'


def _seconds() -> float:
    return asyncio.get_running_loop().time()
