"""XTND's REST API as the simulated shop would have it: the records behind its hooks.

``bodies`` fills a record's facts along the tree of its resource, ``lists`` makes pages of them, ``service``
answers requests, ``server`` puts it on a port.
"""

from connector.simulator.api.quirks import ApiOptions, Quirk
from connector.simulator.api.server import serving
from connector.simulator.api.service import ApiAnswer, SimulatedApi

__all__ = ["ApiAnswer", "ApiOptions", "Quirk", "SimulatedApi", "serving"]
