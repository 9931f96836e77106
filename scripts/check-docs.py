# SPDX-License-Identifier: Apache-2.0
"""Checks what a reader relies on: links between the documents, and the OpenAPI document.

Every relative link in a Markdown file must lead to a file, and its fragment to a heading of that file. The OpenAPI
document must be valid, every example in it must match its schema, and operation ids must be unique. Prints one line per
fault and exits 1 when there is any.
"""

import json
import pathlib
import re
import sys

import jsonschema
import openapi_spec_validator
import referencing
import referencing.jsonschema

ROOT = pathlib.Path(__file__).resolve().parent.parent
OPENAPI = ROOT / "Sources/CStintAssets/openapi.json"
FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)


def documents():
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def anchors(text):
    """The fragments that the headings of a Markdown text can be reached by."""
    found = set()
    for heading in HEADING.findall(FENCE.sub("", text)):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        count = 0
        while (candidate := slug if count == 0 else f"{slug}-{count}") in found:
            count += 1
        found.add(candidate)
    return found


def link_faults():
    for document in documents():
        text = INLINE_CODE.sub("", FENCE.sub("", document.read_text()))
        for link in LINK.findall(text):
            if re.match(r"[a-z]+:", link):
                continue
            path, _, fragment = link.partition("#")
            target = (document.parent / path).resolve() if path else document
            where = f"{document.relative_to(ROOT)}: ({link})"
            if not target.is_relative_to(ROOT) or not target.exists():
                yield f"{where} leads nowhere"
            elif fragment and fragment not in anchors(target.read_text()):
                yield f"{where} names a heading that is not there"


def examples(node, where):
    """Every (schema, example, where) of the document."""
    if isinstance(node, dict):
        if "schema" in node and "example" in node:
            yield node["schema"], node["example"], where
        if where.startswith("/components/schemas") and isinstance(node.get("examples"), list):
            for example in node["examples"]:
                yield node, example, where
        for key, value in node.items():
            if key not in ("example", "examples"):
                yield from examples(value, f"{where}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from examples(value, f"{where}/{index}")


def absolute(node, base):
    """The document with its internal references made absolute, so that parts of it can be used on their own."""
    if isinstance(node, dict):
        return {
            key: base + value if key == "$ref" and isinstance(value, str) else absolute(value, base)
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [absolute(value, base) for value in node]
    return node


def openapi_faults():
    document = json.loads(OPENAPI.read_text())
    for error in openapi_spec_validator.OpenAPIV31SpecValidator(document).iter_errors():
        yield f"openapi.json: {'/'.join(map(str, error.absolute_path))}: {error.message[:300]}"

    operations = [
        operation["operationId"]
        for item in document["paths"].values()
        for method, operation in item.items()
        if method in ("get", "put", "post", "delete", "patch", "head")
    ]
    for name in sorted({name for name in operations if operations.count(name) > 1}):
        yield f"openapi.json: the operation id {name} is used twice"

    document = absolute(document, "urn:stint:openapi")
    resource = referencing.Resource.from_contents(document, referencing.jsonschema.DRAFT202012)
    registry = referencing.Registry().with_resource("urn:stint:openapi", resource)
    for schema, example, where in examples(document, ""):
        for error in jsonschema.Draft202012Validator(schema, registry=registry).iter_errors(example):
            yield f"openapi.json: the example at {where} does not match: {error.message[:300]}"


def main():
    faults = [*link_faults(), *openapi_faults()]
    for fault in faults:
        print(fault, file=sys.stderr)
    if not faults:
        print(f"{len(documents())} documents and openapi.json: every link leads somewhere, every example matches")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
