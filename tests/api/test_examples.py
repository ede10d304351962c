"""Every body in the OpenAPI document has an example, and each is what its schema says."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ConfigDict

from smartypants.api import examples, openapi
from smartypants.api.app import TABLE

PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(openapi.document(TABLE))
    return found


def bodies(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Where each is, its media type, and what is said of it."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            sent = {"request": operation["requestBody"]} if "requestBody" in operation else {}
            for name, body in (sent | operation["responses"]).items():
                for kind, content in body.get("content", {}).items():
                    yield f"{method} {path} {name}", kind, content


def given(document: dict[str, Any], content: dict[str, Any]) -> list[Any]:
    """The examples of a body, whether they are here or among the components."""
    named = [item["$ref"].rsplit("/", 1)[-1] for item in content.get("examples", {}).values()]
    here = [content["example"]] if "example" in content else []
    return here + [document["components"]["examples"][name]["value"] for name in named]


def test_every_body_has_examples_that_fit_its_schema(document: dict[str, Any]) -> None:
    count = 0
    for where, _, content in bodies(document):
        schema = {**content["schema"], "components": document["components"]}
        validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
        found = given(document, content)
        assert found, f"{where} has no example"
        for each in found:
            count += 1
            wrong = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(each)]
            assert wrong == [], where
    assert count > len(TABLE)


def test_problems_are_those_of_their_status(document: dict[str, Any]) -> None:
    for where, kind, content in bodies(document):
        if kind == PROBLEM:
            for code, problem in zip(content["examples"], given(document, content), strict=True):
                assert f"{problem['status']}" == where.rsplit(" ", 1)[-1]
                assert problem["code"] == code


def test_examples_are_what_the_models_take() -> None:
    models = {m for r in TABLE for m in (r.response, *r.body.contents.values()) if m is not None}
    for model in models:
        example = examples.example(model)
        assert model.model_validate_json(json.dumps(example)), model


def test_text_examples_have_the_form_of_their_type(document: dict[str, Any]) -> None:
    seen = set()
    for where, kind, content in bodies(document):
        text = content.get("example")
        if not isinstance(text, str):
            continue
        seen.add(kind)
        if kind == "text/event-stream":
            lines = [line for line in text.splitlines() if line]
            assert all(line.startswith(("event: ", "data: ")) for line in lines), where
            data = [line[6:] for line in lines if line.startswith("data: ")]
            assert all(json.loads(each) for each in data if each != "[DONE]"), where
        elif kind == "text/csv":
            [row] = csv.DictReader(text.splitlines())
            assert row["model"] == "gpt-5-mini"
            assert row["calls"] == "210"
        elif kind.endswith("jsonl") or kind.endswith("ndjson"):
            assert all(json.loads(line) for line in text.splitlines()), where
    assert len(seen) == 5


def test_no_sample_is_left_over(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    fields = {
        (model, name) for model, schema in schemas.items() for name in schema.get("properties", ())
    }
    names = {name for _, name in fields} | {f"{model}.{name}" for model, name in fields}
    assert set(examples.SAMPLES) <= names


def test_a_field_without_an_example_is_named() -> None:
    class Weather(BaseModel):
        model_config = ConfigDict(title="Weather")

        forecast: str

    with pytest.raises(LookupError, match=re.escape("Weather.forecast")):
        examples.example(Weather)
