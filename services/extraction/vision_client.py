"""One question to a vision model over HTTP, through Mistral's client, at any OpenAI-compatible URL."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Lock
from urllib.parse import urlsplit

import httpx2
from mistralai.client import Mistral
from mistralai.client.errors import MistralError, NoResponseError, ResponseValidationError
from mistralai.client.models import ChatCompletionResponse

from services.deadline import within
from services.errors import ConfigurationError
from services.extraction.base import AttemptOutcome
from services.extraction.vision_prompt import Message, response_format
from services.settings import VisionSettings
from services.tracing import RUN_ID_HEADER, current_run_id

# Six dense pages of handwriting are about 5,000 tokens.
MAX_OUTPUT_TOKENS = 6000
_MAX_ERROR_CHARS = 2000
_CLOSING_SECONDS = 5.0
_PASSING = frozenset({"rate_limited", "server_error", "timeout", "disconnected"})


@dataclass(frozen=True)
class Reply:
    """What came back: `text` is empty and `is_refusal` true when the model declined; tokens are None where the server counts none."""

    text: str
    model: str
    input_tokens: int | None
    output_tokens: int | None
    is_cut_off: bool
    is_refusal: bool


class VisionFaultError(Exception):
    """No answer came; `retry_after` are the seconds that the server asks to wait, `raw` is what it said (never to be logged), and
    `may_cost` says whether it may have worked on the question all the same."""

    def __init__(self, outcome: AttemptOutcome, message: str, *, retry_after: float | None = None, raw: str = "") -> None:
        super().__init__(message)
        self.outcome = outcome
        self.retry_after = retry_after
        self.raw = raw
        self.is_passing = outcome in _PASSING
        self.may_cost = outcome in ("timeout", "disconnected")


class VisionClient:
    """Asks the model of these settings; safe for threads. Nothing is retried here."""

    def __init__(self, settings: VisionSettings) -> None:
        self.server = server_url(settings.url)
        self._settings, self._model = settings, settings.model
        self._lock = Lock()
        self._http: httpx2.AsyncClient | None = None
        self._mistral: Mistral | None = None

    def ask(self, messages: Sequence[Message]) -> Reply:
        """The model's reply; VisionFaultError when none came."""
        try:
            question = self._opened().chat.complete_async(
                model=self._model,
                messages=list(messages),  # type: ignore[arg-type]  # typed dictionaries of the client's own
                response_format=response_format(),  # type: ignore[arg-type]
                temperature=0,
                max_tokens=MAX_OUTPUT_TOKENS,
                http_headers={RUN_ID_HEADER: current_run_id()} if current_run_id() else None,
            )
            answer = within(self._settings.timeout_seconds, question)
        except ResponseValidationError as cause:
            raise VisionFaultError(
                "server_error", f"{self.server} answers in another form than the API's", raw=_short(cause.body)
            ) from None
        except MistralError as cause:
            raise self._fault(cause) from None
        except (httpx2.TimeoutException, TimeoutError) as cause:
            raise VisionFaultError("timeout", f"{self.server} did not answer in time ({type(cause).__name__})") from None
        except (httpx2.TransportError, NoResponseError) as cause:
            raise VisionFaultError("disconnected", f"no connection to {self.server}, or it was cut ({type(cause).__name__})") from None
        return _reply(answer)

    def close(self) -> None:
        """Close the connections; the next question opens new ones."""
        with self._lock:
            if self._http is not None:
                within(_CLOSING_SECONDS, self._http.aclose())
            self._http = self._mistral = None

    def _opened(self) -> Mistral:
        with self._lock:
            if self._mistral is None:
                count = self._settings.concurrency
                self._http = httpx2.AsyncClient(limits=httpx2.Limits(max_connections=count, max_keepalive_connections=count))
                self._mistral = Mistral(
                    api_key=self._settings.api_key.get_secret_value(),
                    server_url=self.server,
                    async_client=self._http,
                    # Its own default of five minutes would win over a timeout of the HTTP client.
                    timeout_ms=int(self._settings.timeout_seconds * 1000),
                )
            return self._mistral

    def _fault(self, error: MistralError) -> VisionFaultError:
        """The fault of an HTTP status, with the sentence for who runs this; the server's own words may repeat the letter."""
        status, raw = error.status_code, _short(error.body)
        if status == 429:
            return VisionFaultError(
                "rate_limited", f"{self.server} has had enough questions (429)", retry_after=retry_after(error.headers), raw=raw
            )
        if status == 408:
            return VisionFaultError("timeout", f"{self.server} gave up waiting (408)", raw=raw)
        if status >= 500:
            message = f"{self.server} is out of order ({status})"
            return VisionFaultError("server_error", message, retry_after=retry_after(error.headers), raw=raw)
        if status in (401, 403):
            return VisionFaultError(
                "misconfigured", f"{self.server} refuses the key ({status}): correct CARTULARY_VISION__API_KEY.", raw=raw
            )
        if status == 404:
            message = f"{self.server} has no model {self._model} (404): correct CARTULARY_VISION__MODEL or CARTULARY_VISION__URL."
            return VisionFaultError("misconfigured", message, raw=raw)
        if status == 402:
            return VisionFaultError("misconfigured", f"{self.server} wants to be paid first (402): see the account's credit.", raw=raw)
        message = (
            f"{self.server} does not take the question ({status}): CARTULARY_VISION__MODEL must name a model that takes pictures and "
            "JSON schemas; pictures may be too large (CARTULARY_VISION__MAX_IMAGE_SIDE)."
        )
        return VisionFaultError("bad_request", message, raw=raw)


def server_url(url: str) -> str:
    """The URL as Mistral's client wants it, without the /v1 that it adds itself; ConfigurationError when it is none."""
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError("CARTULARY_VISION__URL is no URL: write it like https://api.scaleway.ai/v1.")
    if parts.username or parts.password:
        raise ConfigurationError("CARTULARY_VISION__URL holds a password: give the key as CARTULARY_VISION__API_KEY instead.")
    path = parts.path.rstrip("/").removesuffix("/chat/completions").removesuffix("/v1").rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path}"


def retry_after(headers: httpx2.Headers, now: datetime | None = None) -> float | None:
    """Seconds of a Retry-After header, which is a number or a date (RFC 9110, 10.2.3); None when there is none."""
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - (now or datetime.now(UTC))).total_seconds()
        except (TypeError, ValueError):  # no date either, or one without a zone
            return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _reply(answer: ChatCompletionResponse) -> Reply:
    choice = answer.choices[0] if answer.choices else None
    content = choice.message.content if choice and choice.message else None
    text = content if isinstance(content, str) else "".join(getattr(part, "text", "") for part in content or [])
    reason = str(choice.finish_reason) if choice else ""
    usage = answer.usage
    is_counted = bool(usage.total_tokens or usage.prompt_tokens or usage.completion_tokens)
    return Reply(
        text=text,
        model=answer.model,
        input_tokens=(usage.prompt_tokens or 0) if is_counted else None,
        output_tokens=(usage.completion_tokens or 0) if is_counted else None,
        is_cut_off=reason in ("length", "model_length"),
        is_refusal=reason == "content_filter" or not text.strip(),
    )


def _short(text: str) -> str:
    return text[:_MAX_ERROR_CHARS]
