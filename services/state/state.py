"""Everything that needs a transaction or a unique key, behind one object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from sqlalchemy import URL

from services.settings import Settings
from services.state.api_keys import ApiKeys
from services.state.database import Database
from services.state.geocode_cache import GeocodeCache
from services.state.idempotency import IdempotencyKeys
from services.state.locks import Locks
from services.state.sessions import Sessions
from services.state.spending import Spending
from services.state.upload_sessions import UploadSessions
from services.state.work import WorkQueue


@dataclass(frozen=True)
class State:
    """The state database and its parts; any number of threads and processes may use it at once."""

    database: Database
    work: WorkQueue
    idempotency: IdempotencyKeys
    sessions: Sessions
    upload_sessions: UploadSessions
    api_keys: ApiKeys
    spending: Spending
    locks: Locks
    geocode_cache: GeocodeCache

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Open (and make, when missing) the state of these settings; StateError when the database does not answer."""
        configured = settings.state.url.get_secret_value()
        file = settings.data_dir.resolve() / "state" / "state.sqlite"
        database = Database(configured or URL.create("sqlite", database=str(file)))
        return cls(
            database=database,
            work=WorkQueue(database),
            idempotency=IdempotencyKeys(database),
            sessions=Sessions(database),
            upload_sessions=UploadSessions(database),
            api_keys=ApiKeys(database),
            spending=Spending(database),
            locks=Locks(database),
            geocode_cache=GeocodeCache(database),
        )

    def close(self) -> None:
        """Close all connections."""
        self.database.close()
