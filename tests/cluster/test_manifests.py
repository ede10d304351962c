"""What can be known about `cluster/` without a cluster: schemas, and that it fits the code."""

from __future__ import annotations

import copy
import json
import re
import shlex
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import BaseModel
from referencing import Registry, Resource
from sqlalchemy import inspect

from actors.cluster import ENVIRONMENT, refuse_embedded_parts
from deployments.app import build_app
from smartypants.ledger.database import connect
from smartypants.options.serving import Scaling
from smartypants.settings import ENV_PREFIX, Settings
from tests.deployments.graphs import deployments_of

ROOT = Path(__file__).parents[2]
KUBERAY = ROOT / "cluster" / "kuberay"
SCHEMAS = ROOT / "cluster" / "schemas"
DOCKERFILE = ROOT / "cluster" / "docker" / "Dockerfile"
KUBERNETES = "1.37"
DEPLOYMENTS = {
    "Ingress": "ingress",
    "QueryProcessor": "query_processor",
    "Retriever": "retriever",
    "EmbedderServer": "embedder",
    "RerankerServer": "reranker",
    "LLMServer": "llm",
}

Manifest = dict[str, Any]


def documents(name: str) -> list[Manifest]:
    return list(yaml.safe_load_all((KUBERAY / name).read_text()))


def named(name: str, kind: str, metadata_name: str) -> Manifest:
    (found,) = (
        item
        for item in documents(name)
        if item["kind"] == kind and item["metadata"]["name"] == metadata_name
    )
    return found


def validator(kind: str) -> Draft202012Validator:
    loaded = [json.loads(path.read_text()) for path in sorted(SCHEMAS.glob("*.json"))]
    registry: Registry[Any] = Registry().with_resources(
        (schema["$id"], Resource.from_contents(schema)) for schema in loaded
    )
    (schema,) = (item for item in loaded if item["$id"] == f"{kind}.schema.json")
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, registry=registry)


def rayservice() -> Manifest:
    return named("rayservice.yaml", "RayService", "smartypants")


def rayjob() -> Manifest:
    return named("rayjob-ingest.yaml", "RayJob", "smartypants-ingest")


def groups(cluster: Manifest) -> list[Manifest]:
    return [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]


def clusters() -> list[Manifest]:
    return [rayservice()["spec"]["rayClusterConfig"], rayjob()["spec"]["rayClusterSpec"]]


def ray_templates() -> list[Manifest]:
    return [group["template"] for cluster in clusters() for group in groups(cluster)]


def templates() -> list[Manifest]:
    return [*ray_templates(), rayjob()["spec"]["submitterPodTemplate"]]


def containers(template: Manifest) -> list[Manifest]:
    return [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]


def pod(template: Manifest) -> Manifest:
    metadata = {"name": "pod"} | template.get("metadata", {})
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def environment() -> dict[str, str]:
    values: dict[str, str] = named("configmap.yaml", "ConfigMap", "smartypants-env")["data"]
    return values


def secret() -> dict[str, str]:
    values: dict[str, str] = named("secret.example.yaml", "Secret", "smartypants-secrets")[
        "stringData"
    ]
    return values


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What a Ray pod reads: the ConfigMaps and the Secret."""
    config = named("configmap.yaml", "ConfigMap", "smartypants-config")["data"]
    file = tmp_path / "smartypants.yaml"
    file.write_text(config["smartypants.yaml"])
    for name, value in (environment() | secret()).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SMARTYPANTS_CONFIG", str(file))
    return Settings()


def serve_config() -> Manifest:
    config: Manifest = yaml.safe_load(rayservice()["spec"]["serveConfigV2"])
    return config


def served() -> dict[str, Manifest]:
    (application,) = serve_config()["applications"]
    return {item["name"]: item for item in application["deployments"]}


# ------------------------------------------------------------------- schemas


@pytest.mark.parametrize("name", ["configmap.yaml", "secret.example.yaml"])
def test_core_objects_are_valid(name: str) -> None:
    for item in documents(name):
        kubernetes_validate.validate(item, KUBERNETES, strict=True)


def test_pod_templates_are_valid() -> None:
    assert len(templates()) == 7
    for template in templates():
        kubernetes_validate.validate(pod(template), KUBERNETES, strict=True)


def test_a_misspelt_field_of_a_pod_is_refused() -> None:
    wrong = copy.deepcopy(pod(templates()[0]))
    wrong["spec"]["containers"][0]["imagePullPolicies"] = "Always"
    with pytest.raises(kubernetes_validate.ValidationError, match="imagePullPolicies"):
        kubernetes_validate.validate(wrong, KUBERNETES, strict=True)


def test_core_parts_of_the_ray_objects_are_valid() -> None:
    """Resources and security of the autoscaler, which KubeRay puts into a container of its own."""
    for cluster in clusters():
        options = cluster["autoscalerOptions"]
        container = {name: options[name] for name in ("resources", "securityContext")}
        spec = {"containers": [{"name": "autoscaler", "image": "any", **container}]}
        kubernetes_validate.validate(pod({"spec": spec}), KUBERNETES, strict=True)


def test_ray_objects_are_valid() -> None:
    validator("rayservice").validate(rayservice())
    validator("rayjob").validate(rayjob())


@pytest.mark.parametrize(
    ("path", "right", "wrong"),
    [
        (["spec"], "serveConfigV2", "serveConfigV3"),
        (["spec"], "rayClusterConfig", "rayClusterSpec"),
        (["spec", "rayClusterConfig"], "enableInTreeAutoscaling", "enableInTreeAutoscaler"),
        (["spec", "rayClusterConfig", "authOptions"], "mode", "modes"),
        (["spec", "rayClusterConfig", "gcsFaultToleranceOptions"], "redisAddress", "address"),
        (["spec", "rayClusterConfig", "headGroupSpec"], "rayStartParams", "startParams"),
        (["spec", "rayClusterConfig", "headGroupSpec", "template"], "spec", "specs"),
        (["spec", "rayClusterConfig", "workerGroupSpecs", 0], "maxReplicas", "maxReplica"),
    ],
)
def test_a_misspelt_field_of_a_rayservice_is_refused(
    path: list[str | int], right: str, wrong: str
) -> None:
    changed = copy.deepcopy(rayservice())
    part: Any = changed
    for step in path:
        part = part[step]
    part[wrong] = part.pop(right)
    errors = list(validator("rayservice").iter_errors(changed))
    assert any(f"'{wrong}' was unexpected" in error.message for error in errors)


@pytest.mark.parametrize(
    "change",
    [
        {"submissionMode": "K8SJobMode"},
        {"submissionMode": "HTTPMode"},  # which has no submitter pod
        {"backoffLimits": 1},
        {"backoffLimit": "2"},
        {"activeDeadlineSeconds": 0},
        {"shutdownAfterJobFinishes": False},  # with a time to live
    ],
)
def test_a_wrong_rayjob_is_refused(change: Manifest) -> None:
    changed = copy.deepcopy(rayjob())
    changed["spec"] |= change
    assert not validator("rayjob").is_valid(changed)


def test_a_redis_password_in_the_manifest_is_refused() -> None:
    changed = copy.deepcopy(rayservice())
    changed["spec"]["rayClusterConfig"]["gcsFaultToleranceOptions"]["redisPassword"] = {
        "value": "a password"
    }
    assert not validator("rayservice").is_valid(changed)


def test_kustomization_names_what_is_there() -> None:
    (kustomization,) = documents("kustomization.yaml")
    assert kustomization["resources"] == ["configmap.yaml", "rayservice.yaml"]
    assert all((KUBERAY / name).is_file() for name in kustomization["resources"])


# ----------------------------------------------------------------- Ray Serve


def test_ray_accepts_the_serve_config() -> None:
    from ray.serve.schema import ServeDeploySchema

    config = ServeDeploySchema.model_validate(serve_config())
    assert config.applications[0].import_path == "deployments.app:app_from_environment"


def test_ray_knows_every_field_of_the_serve_config() -> None:
    """Its models drop an unknown field without a word, so the names are compared here."""
    from ray.serve.config import AutoscalingConfig
    from ray.serve.schema import (
        DeploymentSchema,
        HTTPOptionsSchema,
        RayActorOptionsSchema,
        ServeApplicationSchema,
        ServeDeploySchema,
    )

    config = serve_config()
    (application,) = config["applications"]
    assert set(config) <= set(ServeDeploySchema.model_fields)
    assert set(config["http_options"]) <= set(HTTPOptionsSchema.model_fields)
    assert set(application) <= set(ServeApplicationSchema.model_fields)
    for item in served().values():
        assert set(item) <= set(DeploymentSchema.model_fields)
        assert set(item.get("autoscaling_config", {})) <= set(AutoscalingConfig.model_fields)
        assert set(item.get("ray_actor_options", {})) <= set(RayActorOptionsSchema.model_fields)


def test_the_graph_is_what_is_listed(settings: Settings) -> None:
    assert deployments_of(build_app(settings)) == set(served())


def test_the_graph_is_listed_whole() -> None:
    assert set(served()) == {*DEPLOYMENTS, "JobRunnerServer"}
    fields = type(Settings().serve).model_fields
    scaled = {name for name, field in fields.items() if field.annotation is Scaling}
    assert set(DEPLOYMENTS.values()) == scaled
    assert served()["JobRunnerServer"]["num_replicas"] == 1


@pytest.mark.parametrize(("name", "field"), DEPLOYMENTS.items())
def test_scaling_is_the_default(name: str, field: str, settings: Settings) -> None:
    listed = served()[name]
    default = getattr(type(settings).model_fields["serve"].default, field)
    in_pod = getattr(settings.serve, field)
    scaling = Scaling(
        max_ongoing_requests=listed["max_ongoing_requests"],
        max_queued_requests=listed["max_queued_requests"],
        **listed["autoscaling_config"],
        **listed["ray_actor_options"],
    )
    hardware = {"num_cpus", "num_gpus"}
    assert scaling.model_dump(exclude=hardware) == default.model_dump(exclude=hardware)
    # Without a number of its own a deployment that holds no model books no GPU.
    assert scaling == in_pod.model_copy(update={"num_gpus": in_pod.num_gpus or 0.0})


def test_the_reranker_exists_where_it_is_listed(settings: Settings) -> None:
    """Serve refuses a config that lists a deployment the graph hasn't."""
    assert settings.reranker.model is not None


# ------------------------------------------------------------------ settings


def test_settings_load(settings: Settings) -> None:
    refuse_embedded_parts(settings)
    assert settings.ray.address == "auto"
    assert settings.http.host == "0.0.0.0"
    assert settings.blob_uri.startswith("s3://")
    kind, _, name = (settings.vectors.token or "").partition(":")
    assert kind == "env"
    assert name in secret()
    http = serve_config()["http_options"]
    assert (http["host"], http["port"]) == (settings.http.host, settings.http.port)


def test_environment_variables_are_settings() -> None:
    in_pods = {
        item["name"]
        for template in templates()
        for container in containers(template)
        for item in container.get("env", [])
    }
    names = {*environment(), *secret(), *in_pods, *image_environment()}
    ours = {name for name in names if name.startswith(ENV_PREFIX)} - {"SMARTYPANTS_CONFIG"}
    assert {"SMARTYPANTS_LEDGER__URL", "SMARTYPANTS_VECTORS__URI"} <= ours
    for name in ours:
        assert is_setting(name), name


def test_an_unknown_variable_is_no_setting() -> None:
    assert not is_setting("SMARTYPANTS_LEDGER__URI")
    assert not is_setting("SMARTYPANTS_LEDGERS__URL")


def is_setting(name: str) -> bool:
    model: Any = Settings
    for step in name.removeprefix(ENV_PREFIX).lower().split("__"):
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return False
        if step not in model.model_fields:
            return False
        model = model.model_fields[step].annotation
    return True


def test_the_config_file_is_where_the_variable_says() -> None:
    folder, file = environment()["SMARTYPANTS_CONFIG"].rsplit("/", 1)
    assert file in named("configmap.yaml", "ConfigMap", "smartypants-config")["data"]
    for template in ray_templates():
        (container,) = template["spec"]["containers"]
        mounts = {item["name"]: item["mountPath"] for item in container["volumeMounts"]}
        volumes = {item["name"]: item for item in template["spec"]["volumes"]}
        assert mounts["config"] == folder
        assert volumes["config"]["configMap"]["name"] == "smartypants-config"
        assert mounts["data"] == environment()["SMARTYPANTS_DATA_DIR"]
        assert set(mounts) == set(volumes)


def test_secrets_are_placeholders_and_are_referenced() -> None:
    for item in documents("secret.example.yaml"):
        assert all("CHANGE-ME" in value for value in item["stringData"].values())
    (redis,) = (
        item
        for item in documents("secret.example.yaml")
        if item["metadata"]["name"] == "smartypants-redis"
    )
    options = rayservice()["spec"]["rayClusterConfig"]["gcsFaultToleranceOptions"]
    reference = options["redisPassword"]["valueFrom"]["secretKeyRef"]
    assert reference["name"] == redis["metadata"]["name"]
    assert reference["key"] in redis["stringData"]
    for template in ray_templates():
        (container,) = template["spec"]["containers"]
        assert container["envFrom"] == [
            {"configMapRef": {"name": "smartypants-env"}},
            {"secretRef": {"name": "smartypants-secrets"}},
        ]


# --------------------------------------------------------------------- pods


def test_ray_is_the_version_that_the_images_install() -> None:
    for cluster in clusters():
        assert cluster["rayVersion"] == version("ray")
        assert cluster["authOptions"] == {"mode": "token"}
        assert cluster["enableInTreeAutoscaling"]
        assert cluster["autoscalerOptions"]["version"] == "v2"


def test_worker_groups_are_cpu_and_gpu() -> None:
    for cluster in clusters():
        assert [group["groupName"] for group in cluster["workerGroupSpecs"]] == ["cpu", "gpu"]
        for group in cluster["workerGroupSpecs"]:
            assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
            # Autoscaler v2 replaces pods itself: KubeRay refuses another policy.
            assert group["template"]["spec"].get("restartPolicy", "Never") == "Never"


def test_every_replica_fits_a_pod_of_its_group() -> None:
    cluster = rayservice()["spec"]["rayClusterConfig"]
    cpus: dict[bool, float] = {}
    for group in cluster["workerGroupSpecs"]:
        (container,) = group["template"]["spec"]["containers"]
        limits = container["resources"]["limits"]
        cpus["nvidia.com/gpu" in limits] = float(limits["cpu"])
    for name in DEPLOYMENTS:
        options = served()[name]["ray_actor_options"]
        assert options["num_gpus"] <= 1
        assert options["num_cpus"] <= cpus[options["num_gpus"] > 0]


def test_gpu_pods_run_the_gpu_image() -> None:
    images = set()
    for template in ray_templates():
        (container,) = template["spec"]["containers"]
        gpu = "nvidia.com/gpu" in container["resources"]["limits"]
        assert container["image"].endswith("-gpu" if gpu else "-cpu")
        images.add(container["image"])
    assert images == {f"smartypants:{project_version()}-{kind}" for kind in ("cpu", "gpu")}


def project_version() -> str:
    found = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert found
    return found[1]


def test_pods_are_confined() -> None:
    for template in templates():
        security = template["spec"]["securityContext"]
        assert security["runAsNonRoot"]
        assert f"{security['runAsUser']}:{security['runAsGroup']}" == stages()["cpu"]["USER"][-1]
        for container in containers(template):
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            resources = container["resources"]
            assert set(resources["requests"]) == set(resources["limits"]) >= {"cpu", "memory"}
            assert container["image"].startswith("smartypants:")


def test_probes_are_ours() -> None:
    """KubeRay's readiness probe of a RayService's workers calls wget, which the image hasn't."""
    for template in ray_templates():
        (container,) = template["spec"]["containers"]
        assert container["livenessProbe"]["httpGet"]["path"] == "/api/healthz"
        assert "httpGet" in container["readinessProbe"]
    for group in rayservice()["spec"]["rayClusterConfig"]["workerGroupSpecs"]:
        (container,) = group["template"]["spec"]["containers"]
        assert container["readinessProbe"]["httpGet"] == {"path": "/-/healthz", "port": "serve"}
        ports = {item["name"]: item["containerPort"] for item in container["ports"]}
        assert ports["serve"] == serve_config()["http_options"]["port"]


def test_the_job_reads_a_folder_that_is_mounted() -> None:
    spec = rayjob()["spec"]
    program, command, path, *options = shlex.split(spec["entrypoint"])
    assert (program, command) == ("smartypants", "ingest")
    assert {"--collection", "--wait"} <= set(options)
    # In the RayService too: its job runner takes over a job whose own runner died.
    for template in ray_templates():
        (container,) = template["spec"]["containers"]
        assert path in {mount["mountPath"] for mount in container["volumeMounts"]}


def test_the_ledger_is_migrated_before_ray_starts(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (container,) = rayservice()["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"][
        "initContainers"
    ]
    assert container["command"] == ["python", "-c"]
    monkeypatch.setenv("SMARTYPANTS_LEDGER__URL", f"sqlite:///{tmp_path / 'ledger.db'}")
    exec(container["args"][0], {})
    assert inspect(connect(f"sqlite:///{tmp_path / 'ledger.db'}")).has_table("documents")


def test_gpus_suffice_for_embedding(settings: Settings) -> None:
    workers = settings.ingest.max_embed_workers or settings.ingest.embed_workers
    limits = [cluster["workerGroupSpecs"][1]["maxReplicas"] for cluster in clusters()]
    assert settings.ingest.embed_gpus == 1
    assert limits == [settings.serve.llm.max_replicas + workers, workers]


# ---------------------------------------------------------------- Dockerfile


def instructions() -> Iterator[tuple[str, str]]:
    text = re.sub(r"^\s*#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE)
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            yield word, rest.strip()


def stages() -> dict[str, dict[str, list[str]]]:
    found: dict[str, dict[str, list[str]]] = {"": {}}
    name = ""
    for word, rest in instructions():
        if word == "FROM":
            name = rest.rsplit(" AS ", 1)[1]
            found[name] = {}
        found[name].setdefault(word, []).append(rest)
    return found


def image_environment() -> dict[str, str]:
    words = [word for text in stages()["runtime"]["ENV"] for word in shlex.split(text)]
    return dict(word.split("=", 1) for word in words)


def test_images_have_the_environment_that_was_measured() -> None:
    image = image_environment()
    assert {name: image[name] for name in image if name in ENVIRONMENT} == ENVIRONMENT
    # Nothing overrides it, and nothing of the kind is set besides.
    assert {name for name in image if name.startswith("RAY_")} <= set(ENVIRONMENT)
    assert not (set(environment()) | set(secret())) & set(ENVIRONMENT)


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_image_targets(target: str) -> None:
    stage = stages()[target]
    assert stage["FROM"] == [f"runtime AS {target}"]
    assert stage["COPY"] == [f"--from=build-{target} /opt/venv /opt/venv"]
    user = stage["USER"][-1]
    assert user.split(":")[0].isdigit()
    assert int(user.split(":")[0]) > 0
    assert list(stage)[-1] == "USER"
    assert f"--extra {target} --extra models" in " ".join(stages()[f"build-{target}"]["RUN"])


def test_dockerfile_names_no_registry_and_no_machine() -> None:
    text = DOCKERFILE.read_text()
    assert "HEALTHCHECK" not in {word for word, _ in instructions()}
    assert not re.search(r"https?://|\b[\w-]+\.(io|com|org)/", text)
    assert not re.search(r"/(work|opt/wheels|opt/pypi)\b", text)
    assert "ARG PYTHON_IMAGE=python:3.11-slim" in text


def test_the_images_can_connect_to_the_ledger() -> None:
    engine = connect(environment()["SMARTYPANTS_LEDGER__URL"])
    assert engine.dialect.name == "postgresql"
    assert environment()["SMARTYPANTS_LEDGER__PASSWORD"].removeprefix("env:") in secret()
    assert DOCKERFILE.read_text().count("--extra postgres") == 2


def test_the_build_context_has_what_is_copied() -> None:
    allowed = {
        line.removeprefix("!").rstrip("/")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = {
        source
        for word, rest in instructions()
        if word == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    }
    assert copied == allowed
    assert all((ROOT / name).exists() for name in allowed)
