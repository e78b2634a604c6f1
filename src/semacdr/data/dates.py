"""Days in UTC as dates (2013-05-01) and as timestamps, seconds since 1970."""

from datetime import UTC, date, datetime, time

DAY = 86_400  # seconds


def midnight(day: str) -> int:
    """The timestamp at which a day begins; a ValueError if the text is not a date."""
    return int(datetime.combine(date.fromisoformat(day), time(), UTC).timestamp())


def day_of(timestamp: int) -> str:
    """The day of a timestamp as a date."""
    return datetime.fromtimestamp(timestamp, UTC).date().isoformat()
