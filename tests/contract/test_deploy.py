"""What deploy/ holds is accepted by those who read it, and its numbers fit the settings and each other."""

import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from fingerpost.rpc.health import LIVE
from fingerpost.rpc.server import ROUTER_SERVICE
from fingerpost.settings import Settings
from tests.envoy import BINARY, CONFIGURATION

DEPLOY = Path(__file__).parents[2] / "deploy"
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))

DEFAULTS = Settings.model_fields


def manifest(kind: str) -> Any:
    [found] = [each for path in MANIFESTS if (each := yaml.safe_load(path.read_text(encoding="utf-8")))["kind"] == kind]
    return found


def seconds(duration: str) -> float:
    return float(duration.removesuffix("s"))


# --- Envoy ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cluster() -> Any:
    [found] = yaml.safe_load(CONFIGURATION.read_text(encoding="utf-8"))["static_resources"]["clusters"]
    return found


def test_envoy_accepts_its_configuration() -> None:
    """The Envoy of the tests finds no fault in the file as it stands."""
    command = [str(BINARY), "--mode", "validate", "--log-level", "warning", "-c", str(CONFIGURATION)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "deprecated" not in done.stderr.lower()


def test_envoy_leaves_refusals_to_the_servers(cluster: Any) -> None:
    """Envoy admits more calls than its servers do, so that a server with details and push-back refuses first."""
    [limits] = cluster["circuit_breakers"]["thresholds"]
    [place] = cluster["load_assignment"]["endpoints"]
    admitted = 2 * DEFAULTS["in_flight_calls"].default * len(place["lb_endpoints"])
    assert min(limits["max_requests"], limits["max_pending_requests"]) >= admitted


def test_envoy_opens_connections_before_a_server_refuses_calls(cluster: Any) -> None:
    """Over one connection Envoy sends at most what a server takes from it."""
    [options] = cluster["typed_extension_protocol_options"].values()
    streams = options["explicit_http_config"]["http2_protocol_options"]["max_concurrent_streams"]
    assert streams <= DEFAULTS["connection_streams"].default


def test_envoy_looks_away_while_a_server_drains(cluster: Any) -> None:
    """Health checks come often enough to see NOT_SERVING before the servers of the guide and of systemd stop."""
    [check] = cluster["health_checks"]
    assert check["grpc_health_check"]["service_name"] == ROUTER_SERVICE
    unit = (DEPLOY / "systemd" / "fingerpost@.service").read_text(encoding="utf-8")
    [wait] = [line for line in unit.splitlines() if "DRAIN_WAIT_MS=" in line]
    assert seconds(check["interval"]) + seconds(check["timeout"]) < int(wait.rpartition("=")[2]) / 1000


def test_envoys_time_for_a_call_is_the_servers() -> None:
    """A call without a deadline gets from Envoy what a server would give it."""
    [line] = [
        line for line in CONFIGURATION.read_text(encoding="utf-8").splitlines() if "max_stream_duration: {" in line
    ]
    given = yaml.safe_load(line)["max_stream_duration"]["max_stream_duration"]
    assert seconds(given) * 1000 == DEFAULTS["default_deadline_ms"].default


# --- Kubernetes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1.27.0", "1.37.0"])
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_manifests_are_valid(path: Path, version: str) -> None:
    """Each manifest keeps the schema of an old and a new Kubernetes, without a field that it does not know."""
    kubernetes_validate.validate(yaml.safe_load(path.read_text(encoding="utf-8")), version, strict=True)


def test_manifests_belong_together() -> None:
    """Service, budget and autoscaler mean the pods of the deployment and its ports."""
    deployment, service = manifest("Deployment"), manifest("Service")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    selectors = [deployment["spec"]["selector"]["matchLabels"], service["spec"]["selector"]]
    assert [*selectors, manifest("PodDisruptionBudget")["spec"]["selector"]["matchLabels"]] == [labels] * 3
    assert manifest("HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    assert {port["name"] for port in container["ports"]} == {port["targetPort"] for port in service["spec"]["ports"]}
    assert service["spec"]["clusterIP"] == "None"


def test_the_pod_has_time_to_drain_and_cores_for_its_threads() -> None:
    """The grace period outlasts the drain, and the requested cores are those of the threads and the event loop."""
    pod = manifest("Deployment")["spec"]["template"]["spec"]
    [container] = pod["containers"]
    settings = {each["name"].removeprefix("FINGERPOST_"): each["value"] for each in container["env"]}
    drain_ms = int(settings["DRAIN_WAIT_MS"]) + int(settings["DRAIN_GRACE_MS"])
    assert pod["terminationGracePeriodSeconds"] * 1000 > drain_ms + 5_000
    assert int(container["resources"]["requests"]["cpu"]) == int(settings["EMBED_THREADS"]) + 1
    assert pod["enableServiceLinks"] is False


def test_probes_ask_for_health_services_that_exist() -> None:
    """A pod is ready when it routes, and is restarted only when it does not answer at all."""
    [container] = manifest("Deployment")["spec"]["template"]["spec"]["containers"]
    asked = {kind: container[f"{kind}Probe"]["grpc"]["service"] for kind in ("startup", "readiness", "liveness")}
    assert asked == {"startup": LIVE, "readiness": ROUTER_SERVICE, "liveness": LIVE}


def test_the_patch_for_postgresql_fits_the_deployment() -> None:
    """Patched as kubectl does, by names, the deployment is valid, and what it mounts and sets belongs together."""
    [patch] = [
        yaml.safe_load(path.read_text(encoding="utf-8")) for path in (DEPLOY / "kubernetes").glob("*/patch.yaml")
    ]
    deployment = manifest("Deployment")
    pod, more = deployment["spec"]["template"]["spec"], patch["spec"]["template"]["spec"]
    [container], [added] = pod["containers"], more["containers"]
    assert added["name"] == container["name"]
    assert {each["name"] for each in added["env"]}.isdisjoint(each["name"] for each in container["env"])
    container["env"] += added["env"]
    container["volumeMounts"] = added["volumeMounts"]
    pod["volumes"] = more["volumes"]
    kubernetes_validate.validate(deployment, "1.37.0", strict=True)
    values = {each["name"].removeprefix("FINGERPOST_").lower(): each.get("value") for each in added["env"]}
    assert values.keys() <= DEFAULTS.keys()
    mounts = {each["mountPath"]: each.get("readOnly", False) for each in added["volumeMounts"]}
    assert mounts == {values["data"]: False, values["shared"]: True}
    assert {each["name"] for each in added["volumeMounts"]} == {each["name"] for each in more["volumes"]}
    Settings.model_validate({"stale_policy": values["stale_policy"]})


# --- systemd --------------------------------------------------------------------------------------------------------


def test_the_unit_of_several_is_the_unit_of_one() -> None:
    """The template differs from the single unit in its words, its port and its drain alone."""
    one, several = (
        (DEPLOY / "systemd" / name).read_text(encoding="utf-8").splitlines()
        for name in ("fingerpost.service", "fingerpost@.service")
    )
    assert {line.partition("=")[0] for line in {*one} - {*several} if line[0] != "#"} <= {
        "Description",
        "Documentation",
        "Environment",
    }
    changed = {line for line in {*several} - {*one} if line.startswith("Environment=")}
    assert changed == {"Environment=FINGERPOST_LISTEN=127.0.0.1:%i", "Environment=FINGERPOST_DRAIN_WAIT_MS=3000"}
