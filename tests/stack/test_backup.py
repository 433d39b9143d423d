"""A backup of the running stack, all its volumes thrown away, and the backup brought back: the same counts, keys and files."""

from __future__ import annotations

import subprocess

from stack import Stack
from test_survival import counted
from town import Town, letter

KEPT = ("backups", "caddy-data")
# As docs/backup.md says: what a restore writes into, and nobody else meanwhile.
STORES = ("postgres", "clickhouse", "rustfs", "postgis", "redis")


def test_backup_and_restore_into_an_empty_stack(stack: Stack, town: Town) -> None:
    town.wait_for_quiet()
    before = counted(stack, town)
    taken = stack.cartulary("backup")
    assert taken["counts"]["damaged"] == 0
    verified = stack.cartulary("backup", "verify")
    assert verified and not any(verified.values())

    stack.compose("--profile", "observe", "rm", "--stop", "--force", "--volumes", timeout=300)
    volumes = [f"{stack.project}_{name}" for name in stack.plan()["volumes"] if name not in KEPT]
    subprocess.run([*stack.docker, "volume", "rm", "--force", *volumes], check=True, capture_output=True, timeout=120)
    stack.up(*STORES)
    restore = stack.compose("run", "--rm", "--no-deps", "-T", "flows", "cartulary", "restore", "/backups", timeout=600)
    print(restore.stdout)
    stack.up()

    town.wait_for_quiet()
    after = counted(stack, town)
    for part in ("differences", "requests", "map", "keys", "uploads"):
        assert after[part] == before[part], part
    # Keys are known to the gateway again, and files are what they were.
    assert town.program("reader", "GET", "/v1/areas").status_code == 200
    upload = next(one for one in town.items("desk", "/v1/uploads?limit=500") if one["file_name"] == "kirchgasse-7.png")
    link = town.staff("GET", f"/v1/uploads/{upload['upload_id']}/file").headers["location"]
    assert town.web.at(link).content == letter("Kirchgasse", 7)
    # And work goes on.
    files = {"files": ("birkenweg-2.png", letter("Birkenweg", 2), "image/png")}
    town.took(town.program("site", "POST", "/v1/uploads", data={"purpose": "letter"}, files=files))
    town.wait_for_letters()
