"""From an empty .env to a stack in which everything is healthy, nothing is root, and one door is open."""

from __future__ import annotations

from stack import Stack

# One-shot containers: done means ended well.
JOBS = frozenset({"backups-owner", "migrate", "rustfs-bucket", "gateway-keys", "geoserver-publish", "dbt-docs"})
# Their images write their own files at the start (compose.yaml says why), or look at the machine.
WRITES_ITS_IMAGE = frozenset({"geoserver", "ch-ui"})
STARTS_AS_ROOT = frozenset({"geoserver", "ch-ui", "alloy", "cadvisor", "backups-owner"})
WITHOUT_HEALTH_CHECK = frozenset({"tyk", "loki"})


def test_everything_is_healthy_or_done(stack: Stack) -> None:
    states = {name: one["State"] for name, one in stack.containers().items()}
    assert set(stack.services) <= states.keys()
    for name, state in states.items():
        if name in JOBS:
            assert (state["Status"], state["ExitCode"]) == ("exited", 0), name
            continue
        assert state["Running"], name
        if name not in WITHOUT_HEALTH_CHECK:
            assert state["Health"]["Status"] == "healthy", name
        assert not state["OOMKilled"], name


def test_one_door_is_open(stack: Stack) -> None:
    """No other container publishes a port, none shares the machine's network, and two of the networks lead nowhere."""
    open_ports: dict[str, set[tuple[str, str]]] = {}
    for name, one in stack.containers().items():
        bound = [binding for bindings in (one["NetworkSettings"]["Ports"] or {}).values() for binding in bindings or []]
        if bound:
            open_ports[name] = {(binding["HostIp"], binding["HostPort"]) for binding in bound}
        assert one["HostConfig"]["NetworkMode"] != "host", name
    http, https = stack.settings["HTTP_PORT"], stack.settings["HTTPS_PORT"]
    assert open_ports == {"caddy": {("127.0.0.1", http), ("127.0.0.1", https)}}


def test_who_must_not_reach_the_internet_cannot(stack: Stack) -> None:
    networks = {name: set(one["NetworkSettings"]["Networks"]) for name, one in stack.containers().items()}
    outside = {f"{stack.project}_edge", f"{stack.project}_outbound"}
    assert {name for name, own in networks.items() if own & outside} <= {"caddy", "flows", "alertmanager"}
    # From inside: nothing answers under an address of the documentation's range, and no route leads there.
    assert stack.fetch("api", "http://192.0.2.1/")[0] == 0
    route = stack.run(
        "api", "python", "-c", "print(any(line.split()[1] == '00000000' for line in open('/proc/net/route').readlines()[1:]))"
    )
    assert route.stdout.strip() == "False"


def test_containers_have_few_rights(stack: Stack) -> None:
    for name, one in stack.containers().items():
        host = one["HostConfig"]
        assert host["Memory"] > 0, name
        assert host["CapDrop"] == ["ALL"] or (host["Privileged"] and name == "cadvisor"), name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert host["ReadonlyRootfs"] or name in WRITES_ITS_IMAGE, name
        assert one["Config"]["User"].split(":")[0] not in ("", "0", "root") or name in STARTS_AS_ROOT, name
        assert host["LogConfig"]["Config"].get("max-size"), name


def test_secrets_are_in_no_image_and_on_no_command_line(stack: Stack) -> None:
    secrets = stack.secrets()
    assert len(secrets) > 15
    for name, one in stack.containers().items():
        line = " ".join([*(one["Config"]["Entrypoint"] or []), *(one["Config"]["Cmd"] or [])])
        assert not [secret for secret in secrets if secret in line], name
