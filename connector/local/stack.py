"""``connector up``: broker, topics, worker and gateway of one machine, started in order and watched."""

import contextlib
import os
import time
import urllib.error
import urllib.request

from connector import private_files
from connector.errors import StartupError
from connector.local.broker import FIRST_LOOK_WARNING, Broker, NoidaBroker, choose_broker
from connector.local.demo import Demo
from connector.local.plan import LaunchPlan, UpOptions
from connector.local.processes import Child
from connector.local.screen import Screen
from connector.local.stopping import StopRequested, StopSignal
from connector.local.supervisor import Supervisor

STOP_SECONDS = 8.0
"""For worker and gateway together; with the broker's below it stays within the promised 15."""

BROKER_STOP_SECONDS = 5.0

# A proxy named in the environment is for other hosts, not for our own ports.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def run_up(options: UpOptions, *, connector: tuple[str, ...] | None = None) -> int:
    """Run the local stack until Ctrl-C or SIGTERM; gives the exit code.

    Call it from the main thread. Nothing that it started is left when it returns. ``connector`` is
    how the command itself is run (default: this Python, ``-m connector``).
    """
    private_files.keep_new_files_private()
    screen = Screen()
    try:
        with StopSignal() as stop, contextlib.suppress(StopRequested):
            Stack(LaunchPlan(options, os.environ, connector=connector), screen, stop).run()
    except StartupError as error:
        screen.fail(str(error))
        return 1
    except OSError as error:
        if error.filename is None:  # a disk that is full says so at a write, without a name
            error.filename = str(options.data_dir)
        raise
    return 0


class Stack:
    """The processes of one run; the children share the lock of the data directory."""

    def __init__(self, plan: LaunchPlan, screen: Screen, stop: StopSignal) -> None:
        self._plan = plan
        self._screen = screen
        self._stop = stop
        self._lock = -1
        self._broker: Broker | None = None
        self._parts: list[Child] = []
        self._deadline = 0.0

    def run(self) -> None:
        """Lock the data directory, start everything, supervise, stop everything."""
        options, data = self._plan.options, self._plan.data
        self._plan.check_data()
        data.create()
        if self._plan.demo:
            data.demo_file.touch()
        with data.locked(self._stop.until, port=options.port, admin_port=options.admin_port) as self._lock:
            self._plan.check_ports()
            self._deadline = time.monotonic() + options.ready_timeout_seconds
            try:
                self._start()
                for line in self._plan.ready_lines():
                    self._screen.say(line)
                supervisor = Supervisor(self._screen.warn)
                for child in (*([self._broker.child] if self._broker else ()), *self._parts):
                    supervisor.watch(child)
                supervisor.run(self._stop)
            finally:
                with self._screen.step("stopping"):
                    self._end()

    def _start(self) -> None:
        """Start part after part, each when the one before is ready."""
        if self._plan.own_secret and self._plan.data.ensure_secret():
            self._screen.say(f"made the hook's secret: {self._plan.data.secret_file}")
        kafka = self._plan.kafka or self._start_broker()
        environment = self._plan.environment(kafka)
        self._plan.data.write_endpoints(environment)
        self._create_topics(environment)
        worker, gateway = (self._child(name, environment) for name in ("worker", "gateway"))
        hydrator = self._child("hydrator", environment)
        self._parts = [worker, gateway, *([hydrator] if self._plan.hydrates else [])]
        for part in self._parts:
            part.start()
        self._wait_for_part(gateway, self._plan.options.admin_port)
        # It needs somebody who listens; its history is made while the others start.
        shop = self._child("shop", environment) if self._plan.demo else None
        if shop:
            self._parts.append(shop)
            shop.start()
        self._wait_for_part(worker, self._plan.worker_admin_port)
        if self._plan.hydrates:
            self._wait_for_part(hydrator, self._plan.hydrator_admin_port)
        if shop and self._plan.demo:
            self._wait_for_history(shop, self._plan.demo)
            self._screen.say("demo  a simulated shop sends hooks and answers for its records")

    def _end(self) -> None:
        """End worker and gateway together, then the broker, each by force after its time."""
        for part in self._parts:
            part.terminate()
        deadline = time.monotonic() + STOP_SECONDS
        for part in self._parts:
            # Not asked twice: to some servers a second signal means "now".
            if not part.wait(deadline - time.monotonic()):
                part.kill()
        if self._broker:
            self._broker.stop(BROKER_STOP_SECONDS)

    def _start_broker(self) -> str:
        self._broker = choose_broker(self._plan.data.path, until=self._stop.until, pass_fds=[self._lock])
        if isinstance(self._broker, NoidaBroker):
            self._screen.warn(FIRST_LOOK_WARNING)
        with self._screen.step(f"preparing {self._broker.name}") as report:
            report("(at first start this downloads it)")
            self._broker.report = report
            self._broker.prepare()
        # The download's time is not the start's.
        self._deadline = time.monotonic() + self._plan.options.ready_timeout_seconds
        with self._screen.step(f"starting {self._broker.name}"):
            self._broker.start()
            self._broker.wait_ready(self._left())
        return self._broker.bootstrap_servers

    def _create_topics(self, environment: dict[str, str]) -> None:
        topics = self._child("topics", environment)
        with self._screen.step("creating topics"):
            code = topics.run(self._stop.until, timeout_seconds=self._left())
        if code != 0:
            raise topics.failure("could not create the topics")

    def _wait_for_part(self, part: Child, admin_port: int) -> None:
        readiness = Readiness(f"http://127.0.0.1:{admin_port}/readyz")
        with self._screen.step(f"starting {part.name}"):
            self._stop.until(lambda: part.pid is None or readiness.ask(), timeout_seconds=self._left())
            if part.pid is None:
                raise part.failure(f"ended with exit code {part.exit_code()} while starting")
            if not readiness.ready:
                raise part.failure(f"is not ready; {readiness.url} answers: {readiness.answer}")

    def _wait_for_history(self, shop: Child, demo: Demo) -> None:
        """Wait until what the shop starts with is on Kafka, so that the first query has something to show."""
        if not demo.days or demo.is_open():
            return
        with self._screen.step(f"playing {demo.days} days of a shop into this demo's Kafka"):
            self._stop.until(lambda: shop.pid is None or demo.is_open(), timeout_seconds=self._left())
            if shop.pid is None:
                raise shop.failure(f"ended with exit code {shop.exit_code()} while starting")

    def _child(self, name: str, environment: dict[str, str]) -> Child:
        log = self._plan.data.logs / f"{name}.log"
        return Child(name, self._plan.command(name), log, env=environment, pass_fds=[self._lock])

    def _left(self) -> float:
        return max(self._deadline - time.monotonic(), 1.0)


class Readiness:
    """The last answer of a part's ``/readyz``."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.ready = False
        self.answer = "nothing yet"

    def ask(self) -> bool:
        """Whether the part is ready now."""
        try:
            with _DIRECT.open(self.url, timeout=5.0) as answer:
                self.ready, self.answer = True, str(answer.status)
        except urllib.error.HTTPError as error:
            self.answer = error.read(2000).decode(errors="replace").strip()
        except OSError as error:
            self.answer = str(error)
        return self.ready
