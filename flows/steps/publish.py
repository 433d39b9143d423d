"""Hand gold over to the map mirror, and the mirror to the map server."""

from __future__ import annotations

import hashlib
from datetime import datetime

from flows.steps import gold
from flows.steps.record import StepResult
from services.errors import PublishError
from services.metrics import METRICS
from services.settings import GeoserverSettings, Settings
from services.wiring import Services

NO_MIRROR = "No map mirror is configured: maps come from the API and the portal."


def publish(services: Services, *, now: datetime, is_forced: bool = False) -> StepResult:
    """Bring PostGIS to what gold has and tell GeoServer; nothing when both know it, which costs one question to each database.

    The mirror itself remembers what it shows and what GeoServer was told, so that whatever an outage prevented is done by the next
    run. `is_forced` compares all layers and tells GeoServer although nothing seems to have changed. Raises PublishError, retryable
    when PostGIS or GeoServer is away.
    """
    settings = services.settings
    if not settings.postgis.url.get_secret_value():
        return StepResult("publish", message=NO_MIRROR)
    builds = gold.journal(services.warehouse)
    if builds and builds[0].state == "publishing":
        raise PublishError("Gold is being published just now: the next run brings the map mirror up to it.", retryable=True)
    if not any(build.state == "published" for build in builds):
        return StepResult("publish")
    # What the mirror needs is installed with the stack only.
    from gis.mirror import open_mirror
    from gis.sync import sync

    with METRICS.call("mirror", "write"), open_mirror(settings.postgis) as connection:
        result = sync(connection, services.warehouse, settings.postgis, now=now, is_forced=is_forced)
    counts = {name: count for name, count in result.counts.items() if count}
    if settings.geoserver.url:
        counts["published"] = tell_geoserver(settings, is_forced)
    return StepResult("publish", counts, result.report)


def tell_geoserver(settings: Settings, is_forced: bool) -> int:
    """Publish what GeoServer was not told yet, or has forgotten; returns how many things it had to change."""
    from gis.mirror import mirror_state, open_mirror, write_published
    from gis.publish import is_forgotten
    from gis.publish import publish as publish_layers
    from gis.tables import PUBLIC, RESTRICTED

    with METRICS.call("mirror", "read"), open_mirror(settings.postgis) as connection:
        state = mirror_state(connection)
    if state is None:
        return 0
    told = _told(state.gold_version, settings.geoserver)
    is_told = state.published_version == told and not state.unpublished
    if is_told and not is_forced and not is_forgotten(settings):
        return 0
    published = publish_layers(settings, [*PUBLIC.tables.values(), *RESTRICTED.tables.values()], changed=state.unpublished)
    with METRICS.call("mirror", "write"), open_mirror(settings.postgis) as connection:
        write_published(connection, state, told)
    return published.created + published.updated + published.removed


def _told(gold_version: str, settings: GeoserverSettings) -> str:
    """What GeoServer is told: this gold, under these settings; secrets have no place in a database that maps are read from."""
    told = settings.model_dump_json(exclude={"password", "public_password", "restricted_password"})
    return hashlib.sha256(f"{gold_version} {told}".encode()).hexdigest()
