"""When things happen in a shop: the rhythm of a day and a week, the seasons, and growth.

All times are Stockholm's. A shop that sells to companies is quiet on Sundays and at night, in July and after
Christmas, and has its most orders before Christmas.
"""

from itertools import accumulate, pairwise

from connector.simulator.chance import Chance
from connector.simulator.records import stockholm_time

HOUR = 3_600_000_000  # microseconds
# How busy it is, from Monday, from midnight, and in the middle of each month from January.
WEEKDAYS = (1.2, 1.15, 1.0, 1.0, 0.95, 0.35, 0.2)
HOURS = (0.02,) * 6 + (0.2, 0.6) + (1.0,) * 8 + (0.7, 0.4) + (0.25,) * 4 + (0.1, 0.05)
MONTHS = (0.85, 0.9, 1.0, 1.05, 1.0, 0.95, 0.65, 0.9, 1.05, 1.1, 1.35, 1.2)
# So much more in a year.
GROWTH = 0.6
DAYS_OF_YEAR, DAYS_OF_MONTH = 365.25, 30.4


def instants(count: int, days: int, until: int, seed: int) -> list[int]:
    """``count`` instants of the ``days`` before ``until``, oldest first; all in microseconds since 1970."""
    chance = Chance(f"calendar {seed}")
    hours = [until - HOUR * left for left in range(24 * days, 0, -1)]
    busy = [0.0, *accumulate(busyness(hour, until) for hour in hours)]
    found, stretches = [], iter(zip(hours, pairwise(busy), strict=True))
    hour, (start, end) = next(stretches)
    for number in range(count):
        share = (number + chance.number(1000, number) / 1000) / count * busy[-1]
        while share > end:
            hour, (start, end) = next(stretches)
        found.append(hour + int((share - start) / (end - start) * HOUR))
    return found


def busyness(at: int, until: int) -> float:
    """How much happens in the hour from the instant ``at``, beside other hours up to ``until``."""
    local, _ = stockholm_time(at)
    day = local.timetuple().tm_yday
    month, part = divmod((day / DAYS_OF_MONTH - 0.5) % len(MONTHS), 1)
    before, after = MONTHS[int(month)], MONTHS[(int(month) + 1) % len(MONTHS)]
    season = before + (after - before) * part
    grown: float = (1 + GROWTH) ** ((at - until) / (DAYS_OF_YEAR * 24 * HOUR))
    return WEEKDAYS[local.weekday()] * HOURS[local.hour] * season * grown
