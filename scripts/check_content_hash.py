#!/usr/bin/env python3
"""Checks the golden vectors with a second implementation of the hashes.

Written from the descriptions in promptops-core (base/hash.rs, prompt/content.rs, base/audit.rs), not from the code
under them, with nothing but the standard library: so that a hash can be checked without this library, and a change of
the format cannot go unseen.

    python3 scripts/check_content_hash.py [vectors.json]

Exits with 1 when any hash differs.
"""

import hashlib
import json
import pathlib
import struct
import sys

VECTORS = pathlib.Path(__file__).resolve().parent.parent / "promptops-core/tests/vectors/content_hash.json"


class Encoder:
    """The canonical encoding, format 1."""

    def __init__(self, domain):
        self.parts = []
        self.text(domain)
        self.number(1)

    def raw(self, data):
        self.parts.append(data)

    def number(self, value):
        self.raw(struct.pack(">Q", value))

    def bytes(self, data):
        self.number(len(data))
        self.raw(data)

    def text(self, value):
        self.bytes(value.encode("utf-8"))

    def optional(self, value, write):
        if value is None:
            self.raw(b"\x00")
        else:
            self.raw(b"\x01")
            write(value)

    def list(self, items, write):
        self.number(len(items))
        for item in items:
            write(item)

    def json(self, value):
        if value is None:
            self.raw(b"n")
        elif value is False:
            self.raw(b"f")
        elif value is True:
            self.raw(b"t")
        elif isinstance(value, (int, float)):
            self.json_number(value)
        elif isinstance(value, str):
            self.raw(b"s")
            self.text(value)
        elif isinstance(value, list):
            self.raw(b"a")
            self.list(value, self.json)
        else:
            self.raw(b"o")
            self.entries(value)

    def json_number(self, value):
        if isinstance(value, int) and not -(2**63) <= value < 2**64:
            value = float(value)
        if isinstance(value, float) and value.is_integer() and abs(value) < 2.0**53:
            value = int(value)
        if isinstance(value, int):
            self.raw(b"i")
            self.text(str(value))
        else:
            self.raw(b"d")
            self.raw(struct.pack(">d", value))

    def entries(self, mapping):
        def entry(pair):
            self.text(pair[0])
            self.json(pair[1])

        self.list(sorted(mapping.items(), key=lambda pair: pair[0].encode("utf-8")), entry)

    def digest(self):
        return hashlib.sha256(b"".join(self.parts)).digest()


def content_hash(content):
    out = Encoder("promptops.content")
    body = content["body"]
    if "text" in body:
        out.text("text")
        out.text(body["text"]["template"])
    else:
        out.text("chat")

        def item(message):
            if "placeholder" in message:
                out.text("placeholder")
                out.text(message["placeholder"])
            else:
                out.text("message")
                out.text(message["role"])
                out.text(message["template"])

        out.list(body["chat"]["messages"], item)
    settings = content.get("settings", {})
    out.optional(settings.get("model"), out.text)
    for name in ("temperature", "top_p"):
        value = settings.get(name)
        out.optional(None if value is None else float(value), out.json)
    out.optional(settings.get("max_tokens"), out.number)
    out.list(settings.get("stop", []), out.text)
    out.entries(settings.get("extra", {}))

    def tool(value):
        out.text(value["name"])
        out.optional(value.get("description"), out.text)
        out.json(value["parameters"])

    out.list(content.get("tools", []), tool)
    out.optional(content.get("input_schema"), out.json)
    out.optional(content.get("output_schema"), out.json)
    return "sha256:" + out.digest().hex()


def hash_bytes(text):
    return bytes.fromhex(text.removeprefix("sha256:"))


def closure_hash(closure):
    out = Encoder("promptops.closure")
    out.bytes(hash_bytes(closure["root"]))

    def snippet(pair):
        out.bytes(pair[0])
        out.bytes(pair[1])

    out.list(sorted({(name.encode("utf-8"), hash_bytes(found)) for name, found in closure["snippets"]}), snippet)
    return "sha256:" + out.digest().hex()


def audit_hash(record):
    out = Encoder("promptops.audit")
    out.text(record["tenant"])
    out.number(record["seq"])
    out.bytes(hash_bytes(record["previous_hash"]))
    out.text(str(record["at_micros"]))
    for name in ("actor_id", "actor_role", "action", "subject", "detail"):
        out.text(record[name])
    return out.digest().hex()


def main():
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else VECTORS
    vectors = json.loads(path.read_text(encoding="utf-8"))
    checked = wrong = 0
    for section, compute in (
        ("contents", lambda vector: content_hash(vector["content"])),
        ("closures", closure_hash),
        ("audit_records", audit_hash),
    ):
        for vector in vectors[section]:
            found = compute(vector)
            checked += 1
            if found != vector["hash"]:
                wrong += 1
                print(f"{section}, {vector['name']!r}: expected {vector['hash']}, found {found}", file=sys.stderr)
    if checked == 0 or wrong:
        print(f"{wrong} of {checked} hashes differ in {path}", file=sys.stderr)
        return 1
    print(f"{checked} hashes checked, all as expected")
    return 0


if __name__ == "__main__":
    sys.exit(main())
