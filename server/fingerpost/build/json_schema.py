"""JSON Schemas of the route files, for editors: generated from the shapes, so that they cannot drift."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode
from pydantic_core import CoreSchema

from fingerpost.build.files import ModelsFile, OutOfScopeFile, PolicyFile, RouteFile

_SHAPES: Mapping[str, type[BaseModel]] = {
    "models.schema.json": ModelsFile,
    "out_of_scope.schema.json": OutOfScopeFile,
    "policy.schema.json": PolicyFile,
    "route.schema.json": RouteFile,
}


class _Generator(GenerateJsonSchema):
    """Says its dialect, and leaves out titles that only repeat the field's name."""

    def generate(self, schema: CoreSchema, mode: JsonSchemaMode = "validation") -> dict[str, Any]:
        return {"$schema": self.schema_dialect} | super().generate(schema, mode)

    def field_title_should_be_set(self, schema: object) -> bool:
        return False


def json_schemas() -> dict[str, str]:
    """File name to JSON text, draft 2020-12."""
    return {name: schema_of(shape) for name, shape in _SHAPES.items()}


def schema_of(shape: type[BaseModel]) -> str:
    """JSON text, draft 2020-12."""
    return json.dumps(shape.model_json_schema(schema_generator=_Generator), indent=2) + "\n"
