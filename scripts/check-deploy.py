# SPDX-License-Identifier: Apache-2.0
"""Checks what is deployed, without an engine, a Grafana or a systemd that runs.

The Compose file against the schema of Compose files and against what Stint relies on; the Prometheus configuration with
promtool; the dashboards' structure, and every metric they name against the metrics that the servers have; the units
with systemd-analyze; the scripts with shellcheck. Tools that are missing are named, and missing ones are a fault
where CI=true. Prints one line per fault and exits 1 when there is any.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import check_jsonschema
import jsonschema
import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEPLOY = ROOT / "deploy"
COMPOSE = DEPLOY / "docker-compose.yml"
SCHEMA = pathlib.Path(check_jsonschema.__file__).parent / "builtin_schemas/vendor/compose-spec.json"
VARIABLE = re.compile(r"(?<!\$)\$\{(\w+)")
METRIC = re.compile(r"\bstint_[a-z_]+\b")
HISTOGRAM_SUFFIX = re.compile(r"_(bucket|sum|count)$")
ONE_SHOT = {"migrate"}
DRAIN_SECONDS = 25
SHELL_SCRIPTS = ("scripts/*.sh", ".ci/run", "deploy/docker/stint-healthy")

skipped: list[str] = []


def tool(name):
    """The path of a program, or None after it was noted as missing."""
    path = shutil.which(name)
    if path is None:
        skipped.append(name)
    return path


def seconds(text):
    """A Compose duration such as 1m30s."""
    return sum(
        float(number) * {"s": 1, "m": 60, "h": 3600}[unit] for number, unit in re.findall(r"([\d.]+)([smh])", str(text))
    )


def compose_faults():
    text = COMPOSE.read_text()
    compose = yaml.safe_load(text)
    schema = json.loads(SCHEMA.read_text())
    for error in jsonschema.validators.validator_for(schema)(schema).iter_errors(compose):
        yield f"schema: {'/'.join(map(str, error.absolute_path))}: {error.message[:300]}"
    documented = set(re.findall(r"^#? ?(\w+)=", (DEPLOY / ".env.example").read_text(), re.MULTILINE))
    for name in sorted({*VARIABLE.findall(text)} - documented):
        yield f"the variable {name} is not in .env.example"
    for volume in named_volumes(compose) ^ set(compose.get("volumes", {})):
        yield f"the volume {volume} is declared and not used, or used and not declared"
    for name, service in compose["services"].items():
        for fault in service_faults(name, service, compose["services"]):
            yield f"{name}: {fault}"


def named_volumes(compose):
    mounts = (mount for service in compose["services"].values() for mount in service.get("volumes", []))
    return {source for source in (str(mount).partition(":")[0] for mount in mounts) if source[0] not in "./~"}


def service_faults(name, service, services):
    image = service.get("image", "")
    if ":" not in image or image.endswith(":latest"):
        yield f"the image {image!r} has no fixed tag"
    for port in service.get("ports", []):
        if not str(port).startswith("127.0.0.1:"):
            yield f"the port {port} is published beyond the loopback address"
    if service.get("restart") != ("no" if name in ONE_SHOT else "unless-stopped"):
        yield "the restart policy is missing or another one"
    if "healthcheck" not in service and "STINT_HEALTH_PORT" not in service.get("environment", {}):
        yield "there is no health check, and no STINT_HEALTH_PORT for that of the image"
    if seconds(service.get("stop_grace_period", "10s")) <= DRAIN_SECONDS and image.startswith("stint:"):
        yield f"stop_grace_period leaves no time for a drain of {DRAIN_SECONDS} s"
    if service.get("privileged") or not service.get("read_only"):
        yield "the root file system is writable, or the container privileged"
    if "no-new-privileges:true" not in service.get("security_opt", []):
        yield "no-new-privileges is missing"
    if name not in ONE_SHOT and "memory" not in str(service.get("deploy", {}).get("resources", {}).get("limits")):
        yield "there is no memory limit"
    for needed, how in service.get("depends_on", {}).items():
        wanted = "service_completed_successfully" if needed in ONE_SHOT else "service_healthy"
        if how["condition"] != wanted:
            yield f"waits for {needed} with {how['condition']}, not {wanted}"
        elif wanted == "service_healthy" and services[needed].get("healthcheck", {}).get("disable"):
            yield f"waits for the health of {needed}, which is not checked"


def dockerfile_faults():
    text = (DEPLOY / "docker/Dockerfile").read_text()
    final = text.rpartition("\nFROM ")[2]
    for line in re.findall(r"^FROM (\S+)", text, re.MULTILINE):
        if ":" not in line or line.endswith(":latest"):
            yield f"the image {line} has no fixed tag"
    for instruction in ("USER", "HEALTHCHECK", "ENTRYPOINT", "STOPSIGNAL"):
        if not re.search(rf"^{instruction} ", final, re.MULTILINE):
            yield f"the last stage has no {instruction}"
    if re.search(r"^USER (root|0)\b", final, re.MULTILINE):
        yield "the last stage runs as root"
    for source in re.findall(r"^COPY (?:--chmod=\S+ )?((?!--from)\S+) ", text, re.MULTILINE):
        if not (ROOT / source).exists():
            yield f"copies {source}, which is not there"


def prometheus_faults():
    path = DEPLOY / "prometheus/prometheus.yml"
    configuration = yaml.safe_load(path.read_text())
    targets = {
        target
        for job in configuration["scrape_configs"]
        if job["job_name"] == "stint"
        for group in job["static_configs"]
        for target in group["targets"]
    }
    services = yaml.safe_load(COMPOSE.read_text())["services"]
    servers = {name for name in services if name == "submitter" or name.startswith("coordinator-")}
    if {target.partition(":")[0] for target in targets} != servers:
        yield f"reads {sorted(targets)}, and the servers are {sorted(servers)}"
    if promtool := tool("promtool"):
        with tempfile.TemporaryDirectory() as directory:
            # promtool wants the file of the token to exist.
            token = pathlib.Path(directory, "token")
            token.touch()
            copy = pathlib.Path(directory, path.name)
            copy.write_text(path.read_text().replace("/run/secrets/stint-token", str(token)))
            yield from failure([promtool, "check", "config", str(copy)])


def known_metrics():
    """The names of all metrics, from the sources of the servers."""
    sources = (ROOT / "Sources").rglob("*.swift")
    return {name for source in sources for name in re.findall(r'"(stint_[a-z_]+)"', source.read_text())}


def dashboard_faults():
    known = known_metrics()
    uids = []
    for path in sorted((DEPLOY / "grafana/dashboards").glob("*.json")):
        dashboard = json.loads(path.read_text())
        uids.append(dashboard["uid"])
        for fault in [*panel_faults(dashboard["panels"]), *layout_faults(dashboard["panels"])]:
            yield f"{path.name}: {fault}"
        for name in sorted({*METRIC.findall(path.read_text())}):
            if name not in known and HISTOGRAM_SUFFIX.sub("", name) not in known:
                yield f"{path.name}: no server has the metric {name}"
        yield from (f"{path.name}: {fault}" for fault in query_faults(dashboard["panels"]))
    if len(uids) != len(set(uids)):
        yield f"two dashboards share a uid: {uids}"


def panel_faults(panels):
    ids = [panel["id"] for panel in panels]
    if len(ids) != len(set(ids)):
        yield "two panels share an id"
    for panel in panels:
        title = panel.get("title") or f"panel {panel['id']}"
        if not panel.get("title") or not panel.get("description"):
            yield f"{title}: has no title or no description"
        if not panel["fieldConfig"]["defaults"].get("unit"):
            yield f"{title}: has no unit"
        for query in panel["targets"]:
            if query["datasource"]["uid"] != "${datasource}":
                yield f"{title}: does not use the data source that is chosen"
            if re.search(r"\b(rate|increase)\(", query["expr"]) and "$__rate_interval" not in query["expr"]:
                yield f"{title}: rates are taken over $__rate_interval"


def layout_faults(panels):
    taken = {}
    for panel in panels:
        place = panel["gridPos"]
        if place["x"] + place["w"] > 24:
            yield f"{panel['title']}: is wider than the page"
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                if (x, y) in taken:
                    yield f"{panel['title']}: lies over {taken[x, y]}"
                    return
                taken[x, y] = panel["title"]


def query_faults(panels):
    """Every expression as a rule, because promtool checks rules: their syntax, functions and types."""
    promtool = tool("promtool")
    if promtool is None:
        return
    expressions = [query["expr"] for panel in panels for query in panel["targets"]]
    plain = [each.replace("$__rate_interval", "1m").replace("$queue", ".*") for each in expressions]
    rules = [{"record": f"panel:query{index}", "expr": each} for index, each in enumerate(plain)]
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}, file)
        file.flush()
        yield from failure([promtool, "check", "rules", file.name])


def unit_faults():
    analyze = tool("systemd-analyze")
    if analyze is None:
        return
    with tempfile.TemporaryDirectory() as directory:
        for unit in sorted((DEPLOY / "systemd").glob("*.service")):
            # An instance of a template, and a program that is there: verify looks for it.
            copy = pathlib.Path(directory, unit.name.replace("@.", "@example."))
            copy.write_text(unit.read_text().replace("/usr/local/bin/stint", "/bin/true"))
            ended = subprocess.run([analyze, "verify", "--man=no", str(copy)], capture_output=True, text=True)
            for line in (ended.stderr + ended.stdout).splitlines():
                # What it says of other units of this machine is not ours.
                if copy.name in line:
                    yield f"{unit.name}: {line.replace(directory, '').strip()}"
            text = unit.read_text()
            stop = int(re.search(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)[1])
            if stop <= DRAIN_SECONDS:
                yield f"{unit.name}: TimeoutStopSec leaves no time for a drain of {DRAIN_SECONDS} s"


def script_faults():
    shellcheck = tool("shellcheck")
    if shellcheck is None:
        return
    scripts = sorted(str(path.relative_to(ROOT)) for pattern in SHELL_SCRIPTS for path in ROOT.glob(pattern))
    command = [shellcheck, "--shell=bash", "--format=gcc", "--source-path=SCRIPTDIR", "--external-sources", *scripts]
    yield from failure(command)


def failure(command):
    """The lines of a checker that found something."""
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    if ended.returncode != 0:
        yield from (line.strip() for line in (ended.stdout + ended.stderr).splitlines() if line.strip())


CHECKS = {
    "docker-compose.yml": compose_faults,
    "Dockerfile": dockerfile_faults,
    "prometheus.yml": prometheus_faults,
    "dashboards": dashboard_faults,
    "systemd": unit_faults,
    "scripts": script_faults,
}


def main():
    faults = [f"{what}: {fault}" for what, check in CHECKS.items() for fault in check()]
    missing = ", ".join(sorted(set(skipped)))
    # systemd-analyze comes with systemd, which containers do without; the others are installed for the tests.
    if os.environ.get("CI") == "true" and set(skipped) - {"systemd-analyze"}:
        faults.append(f"not installed: {missing}")
    for fault in faults:
        print(fault, file=sys.stderr)
    if not faults:
        print("deploy: " + ", ".join(CHECKS) + " are in order" + (f" (without {missing})" if missing else ""))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
