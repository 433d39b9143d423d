"""Whether a load may count, and what is odd about its rows all the same."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from services.contracts import DatasetContract
from services.errors import ContractError, ObjectStoreError
from services.warehouse.landing import Landing
from services.warehouse.loads import Load

# Of a load that fails as a whole nothing is visible: so many rejected rows show what is wrong with the file.
REJECTED_ROWS_KEPT = 1000


def check(load: Load, contract: DatasetContract, before: int) -> None:
    """Raise ContractError unless the load may count: nothing lost, not too much rejected, enough landed, `before` rows being replaced."""
    received, landed, rejected = load.received_rows, load.landed_rows, load.rejected_rows
    if not received:
        raise ContractError("The file has a header but no rows: nothing was loaded.")
    if rejected > contract.max_rejected_share * received:
        raise ContractError(
            f"{rejected} of {received} rows do not fit {load.dataset}, more than the {contract.max_rejected_share:.0%} that its contract "
            f"allows: nothing was loaded. The first {min(rejected, REJECTED_ROWS_KEPT)} are kept with their reasons; correct the file and "
            "load it again."
        )
    if landed < contract.min_rows:
        raise ContractError(f"{landed} rows fit, but {load.dataset} must have at least {contract.min_rows}: nothing was loaded.")
    if landed < contract.min_share_of_previous * before:
        raise ContractError(
            f"{landed} rows would replace {before}, less than the {contract.min_share_of_previous:.0%} that the contract of "
            f"{load.dataset} allows: nothing was loaded. Load the whole file, or lower min_share_of_previous."
        )


def rows_before(landing: Landing, load: Load, contract: DatasetContract, counting: Sequence[Load]) -> int:
    """Rows that a replacement takes the place of; 0 for other modes."""
    if load.mode != "replace":
        return 0
    if len(counting) > 1 and contract.natural_key and contract.mode != "append":
        return landing.count_together([other.load_id for other in counting])
    return sum(other.landed_rows for other in counting)


def look_back(landing: Landing, load: Load, before: int) -> list[str]:
    """What is odd about the landed rows, though it does not stop them."""
    notes = []
    if repeated := landing.duplicate_keys(load.load_id):
        notes.append(f"rows whose key comes again further down, where the last one counts: {repeated}")
    for column, count, example in landing.unreadable_values(load.load_id):
        notes.append(f"{column} could not be read in {count} rows and stays empty there, for instance {example!r}")
    if load.landed_rows * 2 < before:
        notes.append(f"less than half as many rows as before: {load.landed_rows} instead of {before}")
    return notes


@contextmanager
def room() -> Iterator[None]:
    """A disk that is full is no bug: the file waits until there is room."""
    try:
        yield
    except OSError as cause:
        where = tempfile.gettempdir()
        raise ObjectStoreError(
            f"The file could not be read in {where} ({cause.strerror}): free space there, or let TMPDIR name another disk.", retryable=True
        ) from cause
