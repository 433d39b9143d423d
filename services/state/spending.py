"""What was spent on paid answers in each month: set aside before a question is asked, made exact afterwards."""

from __future__ import annotations

import math

from sqlalchemy import select, update

from services.state.database import Database
from services.state.tables import spending

MICROS = 1_000_000


class Spending:
    """Money by month ('2026-03'), in the currency of the prices; any number of processes share one cap."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def reserve(self, month: str, amount: float, cap: float) -> bool:
        """Set the amount aside unless the month would go over the cap; returns whether that was done.

        Who is killed before `settle` leaves the amount in the books, so that a crash never spends more than the cap.
        """
        micros, limit = math.ceil(amount * MICROS), math.floor(cap * MICROS)
        first = self._database.insert(spending).values(month=month, micros=0).on_conflict_do_nothing(index_elements=["month"])
        within = spending.c.month == month, spending.c.micros + micros <= limit
        with self._database.writing() as connection:
            connection.execute(first)
            statement = update(spending).where(*within).values(micros=spending.c.micros + micros).returning(spending.c.month)
            return connection.execute(statement).first() is not None

    def settle(self, month: str, reserved: float, spent: float) -> None:
        """Put what was really spent in the place of what was set aside."""
        change = math.ceil(spent * MICROS) - math.ceil(reserved * MICROS)
        with self._database.writing() as connection:
            connection.execute(update(spending).where(spending.c.month == month).values(micros=spending.c.micros + change))

    def spent(self, month: str) -> float:
        """What the month has cost so far, with what is set aside."""
        with self._database.reading() as connection:
            micros = connection.execute(select(spending.c.micros).where(spending.c.month == month)).scalar_one_or_none()
        return (micros or 0) / MICROS
