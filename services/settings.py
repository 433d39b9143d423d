"""The only reader of the environment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from services.errors import ConfigurationError

PREFIX = "CARTULARY_"
DELIMITER = "__"
PROJECT_ROOT = Path(__file__).resolve().parent.parent
DBT_PROJECT_DIR = PROJECT_ROOT / "dbt_project"


class WarehouseSettings(BaseModel):
    """ClickHouse; an empty host means chDB inside this process."""

    host: str = ""
    port: int = 8123
    username: str = "default"
    password: SecretStr = SecretStr("")
    secure: bool = False
    timeout_seconds: int = 300
    memory_bytes: int = Field(default=2_000_000_000, description="Limit of one query's memory.")
    dbt_username: str = Field(default="", description="A user of its own for dbt's builds; empty: the same user builds.")
    dbt_password: SecretStr = SecretStr("")


class ObjectStoreSettings(BaseModel):
    """S3; an empty endpoint means a directory below data_dir."""

    endpoint_url: str = Field(
        default="", description="As this process reaches it: http://rustfs:9000, or https://s3.eu-west-3.amazonaws.com."
    )
    public_url: str = Field(
        default="", description="A host of its own as browsers reach it: presigned URLs are signed for it. Empty: the API passes files on."
    )
    region: str = "us-east-1"
    addressing_style: Literal["path", "virtual"] = Field(default="path", description="path for RustFS, virtual for AWS.")
    bucket: str = "cartulary"
    access_key: str = ""
    secret_key: SecretStr = SecretStr("")
    timeout_seconds: int = 30


class StateSettings(BaseModel):
    """Postgres; an empty URL means SQLite below data_dir."""

    url: SecretStr = Field(default=SecretStr(""), description="postgresql://user:password@host:5432/cartulary")


class IntakeSettings(BaseModel):
    """Limits of what the door lets in."""

    max_letter_bytes: int = 50_000_000
    max_file_bytes: int = 20_000_000_000
    max_page_pixels: int = 80_000_000
    max_pages: int = 50


class ExtractionSettings(BaseModel):
    """Reading letters: the offline reader's processes."""

    workers: int = Field(default=0, description="Reader processes; 0 means one per core, as memory allows (1 GB each).")
    own_addresses: tuple[str, ...] = Field(
        default=(), description="The operator's own addresses, as 'Marktgasse 1, 7410 Korvenau': never a sender's."
    )


class VisionSettings(BaseModel):
    """A vision model behind any OpenAI-compatible URL; without a key no letter leaves this machine."""

    url: str = Field(default="https://api.scaleway.ai/v1", description="Base URL; a server of your own (vLLM, Ollama) takes any key.")
    api_key: SecretStr = SecretStr("")
    model: str = "mistral-small-3.2-24b-instruct-2506"
    timeout_seconds: float = 60.0
    concurrency: int = Field(default=4, ge=1, description="Letters asked about at once.")
    requests_per_minute: int = Field(default=60, ge=1)
    monthly_cost_cap: float = Field(default=20.0, ge=0, description="In the currency of the prices; reached, letters are read offline.")
    input_price: float = Field(default=0.15, ge=0, description="Per million input tokens.")
    output_price: float = Field(default=0.35, ge=0, description="Per million output tokens.")
    max_image_side: int = Field(default=1540, ge=512, description="Pixels of a page's longer side as it is sent.")


class GeocodingSettings(BaseModel):
    """Nominatim; an empty URL means the address register alone."""

    nominatim_url: str = ""
    timeout_seconds: float = 10.0
    concurrency: int = Field(default=4, ge=1, description="Questions at once.")
    country_codes: tuple[str, ...] = Field(default=(), description="ISO 3166-1 alpha-2 codes of the countries to search.")
    cache_days: int = Field(default=90, ge=0)
    negative_cache_days: int = Field(default=7, ge=0, description="An address that was not found is asked for again after this time.")


class PostgisSettings(BaseModel):
    """The map mirror in PostGIS; an empty URL means none."""

    url: SecretStr = Field(
        default=SecretStr(""), description="libpq URL of the role that owns the mirror: postgresql://user:password@host:5432/gis"
    )
    public_role: str = Field(default="map_public", description="Role that may read schema public_map.")
    restricted_role: str = Field(default="map_restricted", description="Role that may read public_map and restricted_map.")
    timeout_seconds: float = 60.0


class GeoserverSettings(BaseModel):
    """GeoServer, which serves the mirror as WMS and WFS; an empty URL means none."""

    url: str = Field(default="", description="As this process reaches it: http://geoserver:8080/geoserver")
    public_url: str = Field(default="", description="As users reach it (PROXY_BASE_URL): https://maps.example.org/geoserver")
    username: str = "admin"
    password: SecretStr = SecretStr("")
    timeout_seconds: float = 60.0
    database_host: str = Field(default="postgis", description="PostGIS as GeoServer reaches it.")
    database_port: int = 5432
    database_name: str = "gis"
    public_username: str = "map_public"
    public_password: SecretStr = SecretStr("")
    restricted_username: str = "map_restricted"
    restricted_password: SecretStr = SecretStr("")
    contact_organization: str = ""
    contact_email: str = ""


class OrchestratorSettings(BaseModel):
    """Prefect; an empty URL means a worker thread in this process."""

    prefect_api_url: str = Field(default="", description="http://prefect-server:4200/api")
    prefect_auth: SecretStr = Field(default=SecretStr(""), description="user:password, as the server's PREFECT_SERVER_API_AUTH_STRING.")
    timeout_seconds: float = 10.0
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=8601, description="Where the flows' process answers /metrics.")


class GatewaySettings(BaseModel):
    """Tyk in front of the API; with an empty secret the API checks keys and limits itself."""

    secret: SecretStr = Field(default=SecretStr(""), description="Shared with the gateway: who sends it is believed about the caller.")
    url: str = Field(default="", description="The gateway's control API, where keys are made: http://tyk:8081")
    admin_secret: SecretStr = Field(default=SecretStr(""), description="Of the control API.")
    timeout_seconds: float = 10.0
    portal_key: SecretStr = Field(default=SecretStr(""), description="The portal's own key, which `cartulary keys provision` makes.")
    form_key: SecretStr = Field(default=SecretStr(""), description="The public form's own key, likewise.")


class BackupSettings(BaseModel):
    """What `cartulary backup` saves besides the warehouse, the state and the objects, and how long the daily backups are kept."""

    directory: str = Field(default="", description="Where the daily backups go; empty: no daily backup.")
    keep_days: int = Field(default=14, ge=1)
    warehouse_disk: str = Field(default="", description="The ClickHouse server's own backup disk; empty: Parquet files.")
    prefect_database_url: SecretStr = Field(default=SecretStr(""), description="libpq URL of Prefect's database; empty: left out.")
    redis_url: SecretStr = Field(default=SecretStr(""), description="Where the gateway keeps its keys, redis://…; empty: left out.")


class ApiSettings(BaseModel):
    """The HTTP API."""

    host: str = "127.0.0.1"
    port: int = 8600
    public_url: str = Field(default="", description="As clients reach it, for upload links: https://api.example.org; empty: as they asked.")
    metrics_token: SecretStr = Field(default=SecretStr(""), description="A bearer token that may read /metrics and nothing else.")
    form_requests_per_minute: int = Field(default=5, description="Requests of one client address through the public form.")
    requests_per_minute: int = Field(default=100, description="Per API key.")
    session_requests_per_minute: int = Field(default=3000, description="Per portal session: one page makes many requests.")
    page_limit: int = 100
    max_page_limit: int = 1000


class LogSettings(BaseModel):
    """What the log tells, and how."""

    format: Literal["text", "json"] = Field(default="text", description="json: one object a line, for Loki and its like.")
    level: Literal["debug", "info", "warning", "error"] = "warning"


class FileSecretsSource(PydanticBaseSettingsSource):
    """`CARTULARY_A__B_FILE=/run/secrets/x` sets a.b to the file's content, as containers hand over secrets."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        """Part of the interface; all values come from `__call__`."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Nested values of all variables that end in _FILE."""
        values: dict[str, Any] = {}
        for name, path in os.environ.items():
            if not (name.startswith(PREFIX) and name.endswith("_FILE")):
                continue
            if not Path(path).is_file():
                raise ConfigurationError(f"{name} names {path}, which is no file: write the secret there, or remove the variable.")
            keys = name.removeprefix(PREFIX).removesuffix("_FILE").lower().split(DELIMITER)
            target = values
            for key in keys[:-1]:
                target = target.setdefault(key, {})
            target[keys[-1]] = Path(path).read_text(encoding="utf-8").strip()
        return values


class Settings(BaseSettings):
    """All settings; every capability left empty is embedded."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter=DELIMITER, env_file=".env", extra="ignore", nested_model_default_partial_update=True
    )

    # Absolute from the start: dbt and the reader's processes look from other directories.
    data_dir: Annotated[Path, AfterValidator(Path.absolute)] = Field(default=Path("data"), validate_default=True)
    warehouse: WarehouseSettings = WarehouseSettings()
    object_store: ObjectStoreSettings = ObjectStoreSettings()
    state: StateSettings = StateSettings()
    intake: IntakeSettings = IntakeSettings()
    extraction: ExtractionSettings = ExtractionSettings()
    vision: VisionSettings = VisionSettings()
    geocoding: GeocodingSettings = GeocodingSettings()
    postgis: PostgisSettings = PostgisSettings()
    geoserver: GeoserverSettings = GeoserverSettings()
    orchestrator: OrchestratorSettings = OrchestratorSettings()
    gateway: GatewaySettings = GatewaySettings()
    api: ApiSettings = ApiSettings()
    backup: BackupSettings = BackupSettings()
    log: LogSettings = LogSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then *_FILE secrets, then .env."""
        return init_settings, env_settings, FileSecretsSource(settings_cls), dotenv_settings


def read_settings(**given: Any) -> Settings:
    """The settings of the environment and of `given`; ConfigurationError names every variable that is wrong."""
    try:
        return Settings(**given)
    except ValidationError as error:
        wrong = "; ".join(f"{PREFIX}{DELIMITER.join(map(str, problem['loc'])).upper()}: {problem['msg']}" for problem in error.errors())
        raise ConfigurationError(f"Wrong settings: {wrong}. See .env.example.") from None
    except PermissionError as error:
        raise ConfigurationError(f"{error.filename} cannot be read by this user: run the command as its owner.") from None
