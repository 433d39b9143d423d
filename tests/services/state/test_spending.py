"""Money set aside and spent, under one cap for all."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from services.settings import Settings
from services.state.spending import Spending
from services.state.state import State

MONTH = "2026-03"


@pytest.fixture
def spending(settings: Settings) -> Iterator[Spending]:
    state = State.open(settings)
    yield state.spending
    state.close()


def test_what_is_set_aside_counts_until_it_is_settled(spending: Spending) -> None:
    assert spending.spent(MONTH) == 0
    assert spending.reserve(MONTH, 0.4, cap=1.0)
    assert spending.spent(MONTH) == pytest.approx(0.4)
    assert spending.reserve(MONTH, 0.6, cap=1.0)
    assert not spending.reserve(MONTH, 0.01, cap=1.0)
    spending.settle(MONTH, 0.6, 0.1)
    assert spending.spent(MONTH) == pytest.approx(0.5)
    assert spending.reserve(MONTH, 0.5, cap=1.0)
    assert spending.reserve("2026-04", 1.0, cap=1.0)


def test_what_is_free_may_be_asked_without_money(spending: Spending) -> None:
    assert spending.reserve(MONTH, 0.0, cap=0.0)
    assert not spending.reserve(MONTH, 0.000001, cap=0.0)


def test_many_at_once_never_go_over_the_cap(spending: Spending) -> None:
    with ThreadPoolExecutor(8) as pool:
        granted = list(pool.map(lambda _: spending.reserve(MONTH, 0.1, cap=1.0), range(40)))
    assert sum(granted) == 10 and spending.spent(MONTH) == pytest.approx(1.0)
