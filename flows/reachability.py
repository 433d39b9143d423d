"""Whether each service that a setting names answers, with that address and those credentials."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from services.errors import ConfigurationError, PlatformError
from services.settings import Settings
from services.state.state import State
from services.warehouse.client import Warehouse

SECONDS = 5.0
# An object that no store has: an answer about it says that address, bucket and credentials are right.
ABSENT = "doctor/absent"
VISION_PROBLEMS = {
    401: "does not take the key: correct CARTULARY_VISION__API_KEY",
    402: "wants to be paid first: see the account's credit",
    403: "does not take the key: correct CARTULARY_VISION__API_KEY",
    404: "has no /v1/models: correct CARTULARY_VISION__URL",
}


@dataclass(frozen=True)
class Reach:
    """One service outside of this process; `setting` names it, `problem` is empty when it answered."""

    name: str
    setting: str
    problem: str


def reach_outside(settings: Settings) -> Iterator[Reach]:
    """Ask every service that is configured, one after the other; nothing when all is embedded."""
    named: tuple[tuple[str, str, str, Callable[[Settings], None]], ...] = (
        ("clickhouse", "CARTULARY_WAREHOUSE__HOST", settings.warehouse.host, _warehouse),
        ("object store", "CARTULARY_OBJECT_STORE__ENDPOINT_URL", settings.object_store.endpoint_url, _objects),
        ("state database", "CARTULARY_STATE__URL", settings.state.url.get_secret_value(), _state),
        ("vision model", "CARTULARY_VISION__URL", settings.vision.api_key.get_secret_value(), _vision),
        ("nominatim", "CARTULARY_GEOCODING__NOMINATIM_URL", settings.geocoding.nominatim_url, _nominatim),
        ("postgis", "CARTULARY_POSTGIS__URL", settings.postgis.url.get_secret_value(), _postgis),
        ("geoserver", "CARTULARY_GEOSERVER__URL", settings.geoserver.url, _geoserver),
        ("prefect", "CARTULARY_ORCHESTRATOR__PREFECT_API_URL", settings.orchestrator.prefect_api_url, _prefect),
    )
    for name, setting, value, ask in named:
        if value:
            yield Reach(name, setting, _problem(ask, settings))


def _problem(ask: Callable[[Settings], None], settings: Settings) -> str:
    try:
        ask(settings)
    except (PlatformError, OSError) as error:
        return str(error)
    except ModuleNotFoundError as error:
        return f"the package {error.name} is missing here: install Cartulary with its extra `stack`"
    return ""


def _warehouse(settings: Settings) -> None:
    with Warehouse.open(settings) as warehouse:
        warehouse.scalar("select version()")


def _objects(settings: Settings) -> None:
    from services.object_store.s3 import S3ObjectStore

    S3ObjectStore(settings.object_store).exists(ABSENT)


def _state(settings: Settings) -> None:
    State.open(settings).close()


def _vision(settings: Settings) -> None:
    from services.extraction.vision_client import server_url

    base = server_url(settings.vision.url)
    request = urllib.request.Request(  # noqa: S310 the operator's own setting
        f"{base}/v1/models", headers={"Authorization": f"Bearer {settings.vision.api_key.get_secret_value()}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=SECONDS):  # noqa: S310
            return
    except urllib.error.HTTPError as error:
        with error:
            code = error.code
    if code in VISION_PROBLEMS:
        raise ConfigurationError(f"{base} {VISION_PROBLEMS[code]} (HTTP {code}).")
    if code >= 500:
        raise ConnectionError(f"{base} is out of order (HTTP {code})")
    # It answers, and whether it lists its models is its own affair.


def _nominatim(settings: Settings) -> None:
    from services.geocoding.nominatim import NominatimClient

    if not NominatimClient(settings.geocoding).is_up():
        raise ConnectionError("Nominatim does not answer")


def _postgis(settings: Settings) -> None:
    from gis.mirror import open_mirror

    with open_mirror(settings.postgis) as connection:
        connection.execute("select postgis_version()")


def _geoserver(settings: Settings) -> None:
    from gis.geoserver.client import GeoServer

    with GeoServer(settings.geoserver.model_copy(update={"timeout_seconds": SECONDS})) as server:
        server.wait_until_ready()


def _prefect(settings: Settings) -> None:
    from services.orchestrator.prefect_api import check_prefect

    check_prefect(settings.orchestrator)
