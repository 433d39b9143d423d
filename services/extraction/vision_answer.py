"""What a vision model must answer about a letter, and taking that out of what it did answer."""

from __future__ import annotations

import json
from datetime import date
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from services.extraction.base import AttemptOutcome
from services.extraction.words import facility_keywords

Role = Literal["sender", "recipient", "other"]
_FIRST_YEAR, _LAST_YEAR = 1900, 2099
_MAX_PROBLEMS = 8


class UnusableAnswerError(Exception):
    """The answer cannot be used: `outcome` is its kind, the message tells the model what is wrong without repeating the letter."""

    def __init__(self, outcome: AttemptOutcome, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome


class AnsweredAddress(BaseModel):
    """One address of the letter, as the model copied it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Role
    name: str = Field(max_length=200)
    street: str = Field(max_length=200)
    housenumber: str = Field(max_length=40)
    postcode: str = Field(max_length=20)
    city: str = Field(max_length=200)


class VisionAnswer(BaseModel):
    """The model's whole answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    transcription: tuple[str, ...] = Field(max_length=50)
    sender_name: str = Field(max_length=200)
    addresses: tuple[AnsweredAddress, ...] = Field(max_length=30)
    letter_date: Annotated[date | None, BeforeValidator(lambda value: value or None)]
    language: str = Field(pattern=r"^([a-z]{2})?$")
    facility_kind: str

    @field_validator("facility_kind")
    @classmethod
    def _is_known(cls, value: str) -> str:
        if value not in kinds():
            raise ValueError(f"must be empty or one of: {', '.join(kinds()[1:])}")
        return value

    @field_validator("letter_date")
    @classmethod
    def _is_plausible(cls, value: date | None) -> date | None:
        if value and not _FIRST_YEAR <= value.year <= _LAST_YEAR:
            raise ValueError("is no date on which a letter was written: leave it empty")
        return value


def kinds() -> tuple[str, ...]:
    """The values of facility_kind: empty first, then every kind that letters may ask for."""
    return ("", *facility_keywords())


@cache
def answer_schema() -> dict[str, Any]:
    """JSON schema of the answer in the part of the language that servers can enforce: all members required, no others."""
    text = {"type": "string"}
    roles = {"type": "string", "enum": ["sender", "recipient", "other"]}
    address = _object({"role": roles, **{name: text for name in ("name", "street", "housenumber", "postcode", "city")}})
    return _object(
        {
            "transcription": {"type": "array", "items": text},
            "sender_name": text,
            "addresses": {"type": "array", "items": address},
            "letter_date": text,
            "language": text,
            "facility_kind": {"type": "string", "enum": list(kinds())},
        }
    )


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def parse_answer(text: str) -> VisionAnswer:
    """The answer in a text that may have prose or a code fence around it; UnusableAnswerError says what is wrong."""
    try:
        return VisionAnswer.model_validate(_one_object(text), strict=False)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)[:_MAX_PROBLEMS]
        told = "; ".join(f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in problems)
        raise UnusableAnswerError("wrong_schema", f"it does not have the form that was asked for. {told}") from None


def _one_object(text: str) -> dict[str, Any]:
    """The only JSON object of the text, wherever it stands; two different ones leave open which is meant."""
    decoder, found, is_broken, place = json.JSONDecoder(), [], False, text.find("{")
    while place >= 0:
        try:
            value, end = decoder.raw_decode(text, place)
        except (json.JSONDecodeError, RecursionError):
            # Objects inside a broken one are whole, and not the answer.
            is_broken, end = True, place + 1
        else:
            found.append(value)
        place = text.find("{", end)
    whole = [value for value in found if "transcription" in value] or ([] if is_broken else found)
    if not whole:
        raise UnusableAnswerError("invalid_json", "there is no complete JSON object in it.")
    if any(value != whole[0] for value in whole[1:]):
        raise UnusableAnswerError("invalid_json", "there are several JSON objects in it; one was asked for.")
    answer: dict[str, Any] = whole[0]
    return answer
