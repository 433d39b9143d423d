"""The one place that chooses adapters: a setting left empty means embedded."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from services.contracts import DatasetContract, load_contracts
from services.errors import WarehouseError
from services.extraction.base import Extractor
from services.extraction.ocr import OcrExtractor
from services.gateway.base import Keys
from services.gateway.keys import KeyRegistry
from services.gateway.tyk import TykKeys
from services.geocoding.base import Geocoder
from services.geocoding.register import RegisterGeocoder
from services.intake.intake import Intake
from services.object_store.base import ObjectStore
from services.object_store.local import LocalObjectStore
from services.object_store.metered import MeteredObjectStore
from services.orchestrator.base import Orchestrator
from services.orchestrator.inline import InlineOrchestrator
from services.settings import Settings
from services.state.backup import confirm_restored
from services.state.state import State
from services.warehouse.client import Warehouse
from services.warehouse.migrate import migrate

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Services:
    """Everything that Cartulary talks to, chosen and open."""

    settings: Settings
    warehouse: Warehouse
    objects: ObjectStore
    state: State
    intake: Intake
    extractor: Extractor
    geocoder: Geocoder
    keys: Keys
    contracts: Mapping[str, DatasetContract]


@contextmanager
def open_services(settings: Settings, *, is_restoring: bool = False) -> Iterator[Services]:
    """All services of these settings, migrated and closed at the end; WarehouseError when another process has the data,
    ConfigurationError when a backup was restored only in part and this is not the restore.

    A warehouse elsewhere may be away: whatever is accepted waits for it, and a run migrates it.
    """
    with ExitStack() as stack:
        warehouse = stack.enter_context(Warehouse.open(settings))
        try:
            migrate(warehouse)
        except WarehouseError as error:
            if warehouse.is_embedded or not error.retryable:
                raise
            logger.warning("What comes in is kept until the warehouse answers: %s", error)
        state = State.open(settings)
        stack.callback(state.close)
        if not is_restoring:
            confirm_restored(state.database)
        state.work.release_dead()
        objects = _open_objects(settings)
        contracts = load_contracts()
        extractor = _open_extractor(settings, objects, state)
        stack.callback(extractor.close)
        yield Services(
            settings=settings,
            warehouse=warehouse,
            objects=objects,
            state=state,
            intake=Intake(settings=settings, objects=objects, state=state, warehouse=warehouse, contracts=contracts),
            extractor=extractor,
            geocoder=_open_geocoder(settings, warehouse, state),
            keys=_open_keys(settings, state, stack),
            contracts=contracts,
        )


@contextmanager
def open_keys(settings: Settings) -> Iterator[Keys]:
    """The API keys alone: neither the warehouse nor the objects need to be there, and with a gateway not even the state."""
    with ExitStack() as stack:
        if settings.gateway.url:
            yield _tyk_keys(settings, stack)
            return
        state = State.open(settings)
        stack.callback(state.close)
        yield KeyRegistry(state)


def open_orchestrator(settings: Settings, work: Callable[[Callable[[], bool]], object]) -> Orchestrator:
    """Who does outstanding work: Prefect's flows in processes of their own, or a thread here that does `work`."""
    if settings.orchestrator.prefect_api_url:
        from services.orchestrator.prefect_api import PrefectOrchestrator

        return PrefectOrchestrator(settings.orchestrator, lambda: datetime.now(UTC))
    return InlineOrchestrator(work)


def _open_extractor(settings: Settings, objects: ObjectStore, state: State) -> Extractor:
    own = settings.extraction.own_addresses
    offline = OcrExtractor(workers=settings.extraction.workers, own=own)
    if settings.vision.api_key.get_secret_value():
        from services.extraction.vision import VisionExtractor  # mistralai is installed with the stack only

        return VisionExtractor(settings.vision, offline, objects=objects, spending=state.spending, own=own)
    return offline


def _open_geocoder(settings: Settings, warehouse: Warehouse, state: State) -> Geocoder:
    if settings.geocoding.nominatim_url:
        from services.geocoding.chain import NominatimGeocoder
        from services.geocoding.nominatim import NominatimClient  # geopy is installed with the stack only

        client = NominatimClient(settings.geocoding)
        return NominatimGeocoder(client, warehouse, state.geocode_cache, settings.geocoding, clock=lambda: datetime.now(UTC))
    return RegisterGeocoder(warehouse)


def _open_keys(settings: Settings, state: State, stack: ExitStack) -> Keys:
    return _tyk_keys(settings, stack) if settings.gateway.url else KeyRegistry(state)


def _tyk_keys(settings: Settings, stack: ExitStack) -> Keys:
    keys = TykKeys(settings.gateway)
    stack.callback(keys.close)
    return keys


def _open_objects(settings: Settings) -> ObjectStore:
    if settings.object_store.endpoint_url:
        from services.object_store.s3 import S3ObjectStore  # boto3 is installed with the stack only

        return MeteredObjectStore(S3ObjectStore(settings.object_store))
    return MeteredObjectStore(LocalObjectStore(settings.data_dir / "objects"))
