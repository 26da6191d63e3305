"""An XTND shop to play against a receiver: for a first look, for tests, and for load.

``shop`` makes deliveries, ``traffic`` puts them out of order, ``sender`` posts them as XTND does,
``journal`` keeps every attempt, and ``verify`` computes from a journal what a mirror must contain.
``past`` gives the shop a history. ``records`` keeps what is true of each entity, and ``api`` serves it as
XTND's REST API does.
"""

from connector.simulator.files import FileSender
from connector.simulator.options import PastOptions, SimulateOptions, api_options
from connector.simulator.run import run_simulation, simulate

__all__ = ["FileSender", "PastOptions", "SimulateOptions", "api_options", "run_simulation", "simulate"]
