"""The time of receipt: it never goes back, and believes no jump ahead alone."""

import math
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from connector import metrics
from connector.clocks import RECOVERY_SECONDS, ClockDistance, outside
from connector.errors import StartupError
from connector.gateway import clock_file
from connector.gateway.clock import Clock
from tests.conftest import ROOT

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
START = 1_750_000_000 * SECOND


class Machine:
    """A host whose clocks are set by hand; ``error`` is how wrong its wall clock is, in nanoseconds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.uptime = 500 * SECOND
        self.booted_at = START
        self.error = 0
        self.boots = 1
        self._clocks: list[Clock] = []

    @property
    def truth(self) -> int:
        """True time in nanoseconds: the broker's."""
        return self.booted_at + self.uptime

    def clock(self) -> Clock:
        clock = Clock(
            self.folder,
            wall=lambda: self.truth + self.error,
            steady=lambda: self.uptime,
            boot=f"boot{self.boots}",
        )
        self._clocks.append(clock)
        return clock

    def stop(self, clock: Clock) -> None:
        """Stop a process in good order; one that is not stopped was killed."""
        self._clocks.remove(clock)
        clock.close()

    def clean_up(self) -> None:
        for clock in list(self._clocks):
            self.stop(clock)

    def wait(self, seconds: float) -> None:
        self.uptime += int(seconds * SECOND)

    def reboot(self, seconds: float) -> None:
        self.booted_at = self.truth + int(seconds * SECOND)
        self.uptime = 0
        self.boots += 1

    def late(self, value: int) -> float:
        """Seconds by which an issued value is behind the truth."""
        return (self.truth - value * 1000) / SECOND

    def acknowledge(self, clock: Clock, *, seconds: float = 0.01, broker_ahead: float = 0) -> None:
        """A record is sent, and acknowledged with the broker's time from half-way."""
        sent = self.uptime // 1000
        self.wait(seconds / 2)
        broker = (self.truth + int(broker_ahead * SECOND)) // 1_000_000
        self.wait(seconds / 2)
        clock.observe(sent, self.uptime // 1000, broker)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    found = Machine(tmp_path)
    yield found
    found.clean_up()


def distance(clock: Clock) -> float:
    """The distance to the broker's clock, as the metric shows it, measured at this moment."""
    clock.trouble()
    return float(metrics.clock_distance.labels("broker")._value.get())


def test_a_right_clock_is_followed_and_every_value_is_higher(machine: Machine) -> None:
    clock = machine.clock()
    values = []
    for _ in range(100):
        machine.wait(0.000_003)
        values.append(clock.now())
        assert abs(machine.late(values[-1])) < 1e-5
    values += [clock.now() for _ in range(3)]
    assert values == sorted(set(values))
    assert clock.trouble() is None


def test_a_jump_ahead_is_not_written_down_and_later_values_keep_their_order(machine: Machine) -> None:
    clock = machine.clock()
    machine.acknowledge(clock)
    first = clock.now()
    machine.error = HOUR
    machine.wait(5)
    during = clock.now()
    assert abs(machine.late(during)) < 0.001
    assert "+3600.0 s" in (clock.trouble() or "")
    assert distance(clock) == pytest.approx(3600, abs=0.1)
    machine.error = 0
    machine.wait(5)
    after = clock.now()
    assert abs(machine.late(after)) < 0.001
    assert first < during < after
    machine.wait(RECOVERY_SECONDS + 1)
    clock.trouble()
    assert clock.trouble() is None


def test_a_step_back_that_no_broker_confirms_changes_nothing(machine: Machine) -> None:
    clock = machine.clock()
    machine.acknowledge(clock)
    clock.now()
    machine.error = -600 * SECOND
    for _ in range(5):
        machine.wait(60)
        assert abs(machine.late(clock.now())) < 0.001
        machine.acknowledge(clock)
    assert "-600.0 s" in (clock.trouble() or "")


@pytest.mark.parametrize("seconds", [3, 3600, 86_400])
def test_a_step_ahead_that_the_broker_confirms_is_followed(machine: Machine, seconds: int) -> None:
    machine.error = -seconds * SECOND
    clock = machine.clock()
    assert machine.late(clock.now()) == pytest.approx(seconds)
    machine.error = 0
    machine.wait(1)
    assert machine.late(clock.now()) == pytest.approx(seconds)
    with structlog.testing.capture_logs() as logs:
        machine.acknowledge(clock)
    assert [one["event"] for one in logs][:1] == ["the clock jumped; the broker's clock confirms it"]
    assert abs(machine.late(clock.now())) < 0.001
    assert clock.trouble() is None


def test_a_step_back_that_the_broker_confirms_lets_time_stand_until_the_clock_has_caught_up(
    machine: Machine,
) -> None:
    machine.error = 600 * SECOND
    clock = machine.clock()
    high = clock.now()
    machine.error = 0
    machine.acknowledge(clock)
    values = [clock.now() for _ in range(50)]
    assert values == list(range(high + 1, high + 51))
    assert "ahead of the clock" in (clock.trouble() or "")
    machine.wait(601)
    assert abs(machine.late(clock.now())) < 0.001


def test_a_small_step_is_followed_at_once(machine: Machine) -> None:
    clock = machine.clock()
    machine.error = int(1.9 * SECOND)
    ahead = clock.now()
    assert machine.late(ahead) == pytest.approx(-1.9)
    machine.error = 0
    assert clock.now() == ahead + 1


def test_a_process_paused_between_two_readings_sees_no_jump(machine: Machine) -> None:
    held_up = [0, 0, 5]

    def wall() -> int:
        machine.wait(held_up.pop(0) if held_up else 0)
        return machine.truth

    clock = Clock(machine.folder, wall=wall, steady=lambda: machine.uptime, boot="b")
    machine._clocks.append(clock)
    clock.now()
    with structlog.testing.capture_logs() as logs:
        clock.now()
    assert not held_up
    assert "the clock jumped; not followed before the broker confirms it" not in [
        one["event"] for one in logs
    ]
    assert clock.trouble() is None


def test_an_answer_too_slow_to_tell_confirms_nothing(machine: Machine) -> None:
    clock = machine.clock()
    machine.error = 5 * SECOND
    clock.now()
    machine.acknowledge(clock, seconds=30)
    assert abs(machine.late(clock.now())) < 0.001
    assert distance(clock) == 0


def test_a_far_broker_confirms_too(machine: Machine) -> None:
    machine.error = -20 * SECOND
    clock = machine.clock()
    clock.now()
    machine.error = 0
    machine.acknowledge(clock, seconds=0.6)
    assert abs(machine.late(clock.now())) < 0.001


def test_a_broker_that_tells_no_time_confirms_nothing(machine: Machine) -> None:
    clock = machine.clock()
    assert math.isnan(metrics.clock_distance.labels("broker")._value.get())
    for unknown in (-1, None):
        clock.observe(machine.uptime // 1000, machine.uptime // 1000, unknown)
    assert math.isnan(metrics.clock_distance.labels("broker")._value.get())
    machine.error = HOUR
    assert abs(machine.late(clock.now())) < 0.001


def test_the_batches_of_one_answer_are_looked_at_once(machine: Machine) -> None:
    clock = machine.clock()
    machine.acknowledge(clock)
    for _ in range(12):
        clock.observe(machine.uptime // 1000, machine.uptime // 1000, (machine.truth - HOUR) // 1_000_000)
    assert distance(clock) == 0
    machine.wait(0.01)
    machine.acknowledge(clock, seconds=0, broker_ahead=-3600)
    assert distance(clock) == pytest.approx(3600, abs=0.01)


def test_no_distance_is_reported_while_the_brokers_time_lies_between(machine: Machine) -> None:
    clock = machine.clock()
    machine.acknowledge(clock, seconds=0.3, broker_ahead=0.1)
    assert distance(clock) == 0
    machine.acknowledge(clock, seconds=0.3, broker_ahead=1)
    assert distance(clock) == pytest.approx(-0.85, abs=0.01)
    assert metrics.clock_distance.labels("broker")._value.get() == pytest.approx(-0.85, abs=0.01)
    machine.acknowledge(clock, seconds=0.3, broker_ahead=-1)
    assert distance(clock) == pytest.approx(0.85, abs=0.01)
    assert clock.trouble() is None


def test_a_broker_far_off_is_reported_and_changes_no_time(machine: Machine) -> None:
    clock = machine.clock()
    machine.acknowledge(clock, broker_ahead=30)
    assert "30.0 s behind the broker's" in (clock.trouble() or "")
    assert abs(machine.late(clock.now())) < 0.001


# --- Restarts ---


@pytest.mark.parametrize("killed", [False, True])
def test_a_restart_is_no_way_around(machine: Machine, killed: bool) -> None:
    first = machine.clock()
    value = first.now()
    if not killed:
        machine.stop(first)
    machine.error = HOUR
    machine.wait(20)
    second = machine.clock()
    assert second.now() > value
    assert abs(machine.late(second.now())) < 0.001
    machine.error = -600 * SECOND
    third = machine.clock()
    assert abs(machine.late(third.now())) < 0.001


def test_after_a_boot_a_wall_clock_behind_what_was_issued_is_not_believed(machine: Machine) -> None:
    high = machine.clock().now()
    machine.reboot(30)
    machine.error = -START + 1000 * SECOND  # 1970: the battery is empty
    clock = machine.clock()
    machine.wait(10)
    value = clock.now()
    assert value == high + 10_000_000
    machine.error = 0
    machine.acknowledge(clock)
    assert abs(machine.late(clock.now())) < 0.001


def test_after_a_boot_a_wall_clock_ahead_is_believed(machine: Machine) -> None:
    machine.clock().now()
    machine.reboot(100_000)
    assert abs(machine.late(machine.clock().now())) < 0.001


def test_without_a_boot_id_an_offset_is_not_taken_over(machine: Machine, tmp_path: Path) -> None:
    path = tmp_path / "clock"
    one = clock_file.ClockFile(path, "")
    one.issue(START // 1000, 5)
    one.close()
    two = clock_file.ClockFile(path, "")
    assert (two.highest(), two.offset()) == (START // 1000, None)
    two.close()


@pytest.mark.parametrize("content", [b"x", b"x" * 4096, b"\0" * 4096, b"xtndclk1" + b"\0" * 20_000])
def test_a_damaged_file_is_put_aside(machine: Machine, content: bytes) -> None:
    (machine.folder / "clock").write_bytes(content)
    assert abs(machine.late(machine.clock().now())) < 0.001
    [aside] = machine.folder.glob("clock.damaged-*")
    assert aside.read_bytes() == content


@pytest.mark.parametrize("value", [1, 2**63, 2**64 - 1, START])
def test_a_damaged_value_is_not_used(machine: Machine, value: int) -> None:
    machine.clock().now()
    with (machine.folder / "clock").open("r+b") as file:
        file.seek((clock_file.VALUES_WORD + 3) * 8)
        file.write(struct.pack("Q", value))
    clock = machine.clock()
    assert abs(machine.late(clock.now())) < 0.001


def test_a_damaged_offset_is_not_used(machine: Machine) -> None:
    machine.clock().now()
    machine.wait(1)
    with (machine.folder / "clock").open("r+b") as file:
        file.seek(clock_file.OFFSETS_WORD * 8)
        file.write(struct.pack("q", 2**63 - 1))
    assert abs(machine.late(machine.clock().now())) < 0.001


def test_the_file_belongs_to_one_user_alone(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "data")
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "data" / "clock").stat().st_mode & 0o777 == 0o600
    clock.close()


def test_a_folder_that_cannot_be_used_is_refused_with_the_fix(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartupError, match=r"gateway\.spool_path"):
        Clock(tmp_path / "file")


def test_slots_are_bounded_and_come_free_again(tmp_path: Path) -> None:
    files = [clock_file.ClockFile(tmp_path / "clock", "b") for _ in range(clock_file.SLOTS)]
    with pytest.raises(StartupError, match="64 gateways"):
        clock_file.ClockFile(tmp_path / "clock", "b")
    for one in files:
        one.close()
    clock_file.ClockFile(tmp_path / "clock", "b").close()


# --- Several processes ---

PROCESS = """
import sys, time
from pathlib import Path
from connector.gateway.clock import Clock
ahead = int(sys.argv[2])
clock = Clock(Path(sys.argv[1]), wall=lambda: time.time_ns() + ahead)
print("started", flush=True)
sys.stdin.readline()
calls = []
end = time.monotonic() + 1
while time.monotonic() < end:
    before = time.monotonic_ns()
    value = clock.now()
    calls.append((before, value, time.monotonic_ns()))
for call in calls:
    print(*call)
sys.stdout.flush()
if ahead:
    import os
    os.kill(os.getpid(), 9)
"""


def test_processes_of_one_folder_never_fall_below_each_other(tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(tmp_path), str(ahead)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )
        for ahead in (0, 1_900_000, -1_500_000_000)
    ]
    for process in processes:
        assert process.stdout.readline() == "started\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    calls = []
    for process in processes:
        output, _ = process.communicate(timeout=60)
        calls += [tuple(map(int, line.split())) for line in output.splitlines()]
    assert len(calls) > 1000
    values = [value for _, value, _ in calls]
    by_start = sorted(calls)
    by_end = sorted(calls, key=lambda call: call[2])
    highest = ended = 0
    for before, value, _ in by_start:
        while ended < len(by_end) and by_end[ended][2] < before:
            highest = max(highest, by_end[ended][1])
            ended += 1
        assert value > highest
    last = max(values)
    again = Clock(tmp_path)
    assert again.now() > last
    again.close()


# --- Any course of events ---

ERRORS = st.sampled_from([0, 3, 4, 3600, 86_400, -3, -5, -600, -86_400])
ACTIONS = st.one_of(
    st.tuples(st.just("wait"), st.floats(0.000_001, 1000)),
    st.tuples(st.just("step"), ERRORS),
    st.tuples(st.just("issue"), st.integers(0, 2)),
    st.tuples(st.just("restart"), st.integers(0, 2)),
    st.tuples(st.just("acknowledge"), st.integers(0, 2)),
    st.tuples(st.just("slow"), st.integers(0, 2)),
    st.tuples(st.just("reboot"), st.floats(0, 100)),
)


@settings(max_examples=300)
@given(actions=st.lists(ACTIONS, max_size=60))
def test_values_never_fall_and_no_false_step_ahead_is_written(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[str, float]]
) -> None:
    machine = Machine(tmp_path_factory.mktemp("clock"))
    clocks = [machine.clock() for _ in range(3)]
    highest = clocks[0].now()
    for kind, amount in actions:
        if kind == "wait":
            machine.wait(amount)
        elif kind == "step":
            machine.error = int(amount) * SECOND
        elif kind == "issue":
            value = clocks[int(amount)].now()
            assert value > highest
            highest = value
            assert machine.late(value) > -0.01
        elif kind == "restart":
            machine.stop(clocks[int(amount)])
            clocks[int(amount)] = machine.clock()
        elif kind == "reboot":
            machine.error = min(machine.error, 0)
            machine.reboot(amount)
            machine.clean_up()
            clocks = [machine.clock() for _ in range(3)]
        else:
            machine.acknowledge(clocks[int(amount)], seconds=0.3 if kind == "acknowledge" else 20)
    machine.error = 0
    machine.wait(1)
    for clock in clocks:
        clock.now()
        machine.acknowledge(clock)
        assert abs(machine.late(clock.now())) < 0.01
    machine.clean_up()


# --- Distances ---


@given(value=st.integers(-100, 100), low=st.integers(-50, 50), width=st.integers(0, 50))
def test_outside_is_the_way_to_the_nearest_end(value: int, low: int, width: int) -> None:
    high = low + width
    found = outside(value, low, high)
    assert low <= value - found <= high
    assert (found == 0) == (low <= value <= high)


def test_a_distance_is_logged_once_and_when_it_is_gone() -> None:
    now = 0.0
    distance = ClockDistance("database", monotonic=lambda: now)
    with structlog.testing.capture_logs() as logs:
        for seconds in (0.0, 1.9, -5.0, 0.0, -6.0):
            distance.set(seconds)
        assert "6.0 s behind the database's" in (distance.trouble() or "")
        now = RECOVERY_SECONDS + 1
        distance.set(0.1)
    assert distance.trouble() is None
    assert [one["event"] for one in logs] == ["clocks differ", "clocks agree again"]
