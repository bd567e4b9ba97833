"""What holds of `huabi serve --engine ray` and of the examples in deploy/ where there is no Ray and no Docker."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import refused
from huabi.errors import RequestError
from huabi.requests import Generate
from huabi.serve.crowd import Offer, Replicas, alike

DEPLOY = Path(__file__).parent.parent / "deploy"


def test_without_ray_one_line_says_what_to_install(
    huabi: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    store = ("--store", tmp_path / "jobs.db", "--runs", tmp_path, "--port", 18711)
    refused(huabi("serve", "--engine", "ray", *store), "pip install 'huabi[scale]'")
    refused(huabi("serve", "--engine", "ray", "--replicas", "4:1", *store), "--replicas 4:1")


def test_replicas_are_a_number_or_two() -> None:
    assert Replicas.of("2") == (2, 2)
    assert Replicas.of("1:4") == (1, 4)
    for wrong in ("", "0", "-1", "3:1", "1:2:3", "1:", "a", "1e3", "1:100000"):
        with pytest.raises(RequestError, match="--replicas"):
            Replicas.of(wrong)


def test_what_looks_alike_is_claimed_at_once() -> None:
    assert alike(Generate(seed=1, label="cat")) == alike(Generate(seed=2))
    assert alike(Generate(steps=3)) != alike(Generate(steps=4))


@pytest.mark.skipif(not DEPLOY.is_dir(), reason="not in the wheel")
def test_the_examples_to_deploy_are_whole() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    services = compose["services"]
    assert set(services) == {"huabi", "postgres"}
    assert {name.split(":")[0] for one in services.values() for name in one["volumes"]} == set(compose["volumes"])
    kinds: dict[str, Any] = {}
    for one in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8")):
        kinds[f"{one['kind']}/{one['metadata']['name']}"] = one
    assert {name.split("/")[0] for name in kinds} >= {"RayService", "Deployment", "Secret", "Service"}
    (ray,) = (one for name, one in kinds.items() if name.startswith("RayService/"))
    (application,) = yaml.safe_load(ray["spec"]["serveConfigV2"])["applications"]
    module, name = application["import_path"].split(":")
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert callable(getattr(sys.modules[module], name))
    Replicas.of(Offer.model_validate(application["args"]).replicas)


@pytest.mark.skipif(not DEPLOY.is_dir(), reason="not in the wheel")
def test_the_image_runs_as_nobody_in_particular_and_tells_its_health() -> None:
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
    words = [line.split()[0] for line in lines if line and not line.startswith(("#", " "))]
    assert words[-1] in ("CMD", "ENTRYPOINT")
    assert "HEALTHCHECK" in words
    users = [line.split()[1] for line in lines if line.startswith("USER")]
    assert users[-1] not in ("root", "0")
    assert not any("http" in line and "127.0.0.1" not in line for line in lines)  # no index is written down
