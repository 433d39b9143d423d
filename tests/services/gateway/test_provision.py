"""The keys of the product at the gateway: made at the start, the same ever after, gone when the settings name others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from gateway_support import FORM_KEY, PORTAL_KEY, Tyk
from pydantic import SecretStr

from services.errors import ConfigurationError, GatewayError
from services.gateway.tyk import Provisioned, TykKeys, provision


@pytest.fixture
def tyk(tmp_path: Path) -> Iterator[Tyk]:
    with Tyk("http://127.0.0.1:9", tmp_path / "keys.json") as running:
        yield running


def keys_of(tyk: Tyk, **changed: Any) -> TykKeys:
    return TykKeys(tyk.settings(**changed))


def test_twice_is_once(tyk: Tyk, tmp_path: Path, now: datetime) -> None:
    keys = keys_of(tyk)
    made = provision(keys, tyk.settings(), clock=lambda: now)
    assert made == [Provisioned("portal", "made", 0), Provisioned("form", "made", 0)]
    before = (tmp_path / "keys.json").read_text()
    again = provision(keys, tyk.settings(), clock=lambda: now + timedelta(days=1))
    assert again == [Provisioned("portal", "unchanged", 0), Provisioned("form", "unchanged", 0)]
    assert (tmp_path / "keys.json").read_text() == before
    assert [(key.key_id, sorted(key.scopes)) for key in keys.list()] == [
        ("form", ["submit"]),
        ("portal", ["exact", "intake", "read", "review"]),
    ]
    portal, form = keys.api.session(PORTAL_KEY), keys.api.session(FORM_KEY)
    assert portal and form
    assert (portal["apply_policies"], form["apply_policies"]) == (["portal"], ["form"])
    keys.close()


def test_keys_outlive_a_restart(tyk: Tyk, now: datetime) -> None:
    keys = keys_of(tyk)
    provision(keys, tyk.settings(), clock=lambda: now)
    made = keys.create("ours", ["read"], now)
    tyk.stop()
    tyk.start()
    assert keys.verify(made.secret, now) is not None
    assert [done.outcome for done in provision(keys, tyk.settings(), clock=lambda: now)] == ["unchanged", "unchanged"]
    keys.close()


def test_a_key_that_the_settings_no_longer_name_is_revoked(tyk: Tyk, now: datetime) -> None:
    keys = keys_of(tyk)
    provision(keys, tyk.settings(), clock=lambda: now)
    own = keys.create("portal", ["read"], now)
    rotated = tyk.settings(portal_key=SecretStr("ctl_newnewnewnew_another-another-another"))
    assert provision(keys, rotated, clock=lambda: now) == [Provisioned("portal", "made", 1), Provisioned("form", "unchanged", 0)]
    assert keys.verify(PORTAL_KEY, now) is None
    assert keys.verify(own.secret, now) is not None, "a name is not an id"
    assert keys.verify(rotated.portal_key.get_secret_value(), now) is not None
    keys.close()


def test_a_key_whose_rights_were_changed_gets_its_own_again(tyk: Tyk, now: datetime) -> None:
    keys = keys_of(tyk)
    provision(keys, tyk.settings(), clock=lambda: now)
    session = keys.api.session(FORM_KEY)
    assert session
    keys.api.put_key(FORM_KEY, {**session, "apply_policies": ["standard"]})
    assert provision(keys, tyk.settings(), clock=lambda: now)[1] == Provisioned("form", "changed", 0)
    session = keys.api.session(FORM_KEY)
    assert session and session["apply_policies"] == ["form"]
    keys.close()


def test_it_waits_for_the_gateway_and_not_for_ever(now: datetime, tmp_path: Path) -> None:
    tyk = Tyk("http://127.0.0.1:9", tmp_path / "keys.json").start()
    tyk.stop()
    keys = keys_of(tyk, timeout_seconds=2.0)
    at, waits = [0.0], 0

    def sleep(seconds: float) -> None:
        nonlocal waits
        waits += 1
        at[0] += seconds
        if waits == 3:
            tyk.start()

    done = provision(keys, tyk.settings(), clock=lambda: now, wait_seconds=60, sleep=sleep, monotonic=lambda: at[0])
    assert [key.outcome for key in done] == ["made", "made"]
    assert waits == 3
    tyk.stop()

    def pass_by(seconds: float) -> None:
        at[0] += seconds

    with pytest.raises(GatewayError, match="CARTULARY_GATEWAY__URL") as caught:
        provision(keys, tyk.settings(), clock=lambda: now, wait_seconds=2, sleep=pass_by, monotonic=lambda: at[0])
    assert PORTAL_KEY not in str(caught.value)
    keys.close()


@pytest.mark.parametrize(("portal", "form"), [("", ""), (PORTAL_KEY, PORTAL_KEY), (PORTAL_KEY, "short"), (PORTAL_KEY, "")])
def test_keys_that_anybody_could_guess_are_refused(tyk: Tyk, now: datetime, portal: str, form: str) -> None:
    settings = tyk.settings(portal_key=SecretStr(portal), form_key=SecretStr(form))
    with pytest.raises(ConfigurationError, match="CARTULARY_GATEWAY__PORTAL_KEY"):
        provision(keys_of(tyk), settings, clock=lambda: now)


def test_a_wrong_admin_secret_is_said_at_once(tyk: Tyk, now: datetime) -> None:
    keys = keys_of(tyk, admin_secret=SecretStr("wrong"))
    with pytest.raises(ConfigurationError, match="CARTULARY_GATEWAY__ADMIN_SECRET"):
        provision(keys, tyk.settings(), clock=lambda: now)
    with pytest.raises(ConfigurationError):
        keys.list()
    keys.close()


def test_what_is_not_the_control_api_is_said_so(tyk: Tyk, now: datetime) -> None:
    keys = keys_of(tyk, url=tyk.url)  # the port for clients
    with pytest.raises((ConfigurationError, GatewayError)):
        keys.list()
    keys.close()


def test_keys_that_people_made_by_hand_are_left_alone(tyk: Tyk, now: datetime) -> None:
    keys = keys_of(tyk)
    keys.api.put_key("made-by-hand-with-curl-once", {"org_id": "default", "apply_policies": ["standard"], "meta_data": {}})
    provision(keys, tyk.settings(), clock=lambda: now)
    assert {key.key_id for key in keys.list()} == {"portal", "form"}
    assert keys.api.session("made-by-hand-with-curl-once") is not None
    keys.close()


def test_the_commands_speak_to_the_gateway(tyk: Tyk, tmp_path: Path) -> None:
    told = tyk.settings()
    environment = {
        **os.environ,
        "CARTULARY_DATA_DIR": str(tmp_path / "data"),
        "CARTULARY_GATEWAY__URL": told.url,
        "CARTULARY_GATEWAY__ADMIN_SECRET": told.admin_secret.get_secret_value(),
        "CARTULARY_GATEWAY__PORTAL_KEY": PORTAL_KEY,
        "CARTULARY_GATEWAY__FORM_KEY": FORM_KEY,
        # Keys need neither a warehouse nor a state: nobody answers at these.
        "CARTULARY_WAREHOUSE__HOST": "127.0.0.1",
        "CARTULARY_WAREHOUSE__PORT": "9",
        "CARTULARY_STATE__URL": "postgresql://nobody:nothing@127.0.0.1:9/none",
    }

    def keys(*arguments: str) -> Any:
        command = [sys.executable, "-c", "from flows.cli import app; app()", "keys", *arguments, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stderr
        assert PORTAL_KEY not in done.stdout + done.stderr
        return json.loads(done.stdout)

    assert [key["outcome"] for key in keys("provision")] == ["made", "made"]
    assert [key["outcome"] for key in keys("provision")] == ["unchanged", "unchanged"]
    made = keys("create", "our website", "--scope", "intake")
    assert made["key_id"] in {key["key_id"] for key in keys("list")}
    assert keys("revoke", made["key_id"]) == {"revoked": made["key_id"]}
    assert {key["key_id"] for key in keys("list")} == {"portal", "form"}
    assert not (tmp_path / "data").exists()
