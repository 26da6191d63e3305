"""What a person sees of ``connector up``: steps with a spinner in a terminal, plain lines elsewhere."""

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.text import Text

from connector.safe_text import plain_lines

# How often a pipe gets a line about a step that goes on.
LINE_SECONDS = 5.0


class Screen:
    """Writes to standard output; every line is flushed, so that a pipe sees it at once."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)

    @contextlib.contextmanager
    def step(self, text: str) -> Iterator[Callable[[str], None]]:
        """Show that something takes time, and at its end how long it took.

        Gives what says how far it is, as often as one likes: the line moves in a terminal; elsewhere there is
        one every few seconds.
        """
        started = reported = time.monotonic()
        if self.console.is_terminal:
            with self.console.status(Text(text)) as status:
                yield lambda far: status.update(Text(f"{text} {far}")) if far else None
        else:
            self.say(f"{text} …")

            def report(far: str) -> None:
                nonlocal reported
                if far and time.monotonic() >= reported + LINE_SECONDS:
                    reported = time.monotonic()
                    self.say(f"  {far}")

            yield report
        self.say(f"✓ {text} ({time.monotonic() - started:.1f} s)", style="green")

    def say(self, text: str, *, style: str = "") -> None:
        """Print one line as it is: never wrapped, so that a path or an address can be copied."""
        self.console.print(Text(plain_lines(text), style=style), soft_wrap=True)

    def warn(self, text: str) -> None:
        """Print a warning."""
        self.say(f"warning: {text}", style="yellow")

    def fail(self, text: str) -> None:
        """Print why it ends."""
        self.say(f"error: {text}", style="bold red")
