#!/usr/bin/env python3
"""Writes promptops-core/tests/vectors/scorers.json: what other tools say to the same outputs.

    pip install autoevals
    scripts/make_scorer_vectors.py

`levenshtein`, `numeric` and `json_diff` are scored by autoevals. `squad` follows the normalisation that the evaluation
script of SQuAD v1.1 defines: lower case, then no ASCII punctuation, then no articles, then white space. `casefold` is
that of Python's strings.
"""

import json
import pathlib
import random
import re
import string
from importlib.metadata import version

from autoevals import JSONDiff, Levenshtein, NumericDiff

TEXTS = [
    "", "a", "kitten", "sitting", "hello world", "hello wrld", "Straße", "STRASSE", "naïve", "naive", "日本語のテキスト",
    "日本のテクスト", "👩‍👩‍👧 family", "👩 family", "line\nbreak", "line break", "x" * 300, "x" * 299 + "y", "\t tab ",
]

NUMBERS = [0, -0.0, 1, -1, 2, 100, 105, 0.1, 1e-9, 1e300, -1e300, 123456789, 12.5, 1e16, 9007199254740993]

VALUES = [
    {}, [], {"a": 1}, {"a": 1, "b": 2}, {"a": 2}, {"b": 1}, {"a": None}, {"a": "1"}, {"a": {"b": {"c": [1, 2, 3]}}},
    {"a": {"b": {"c": [1, 2, 4]}}}, {"a": {"b": {"c": [1, 2]}}}, [1, 2, 3], [3, 2, 1], [1], ["x", "y"], ["x", "z"],
    {"name": "John Smith", "age": 30, "skills": ["python", "javascript"]},
    {"name": "John A. Smith", "age": 31, "skills": ["python", "typescript"]},
    {"t": True, "f": False}, {"t": 1, "f": 0}, {"t": False, "f": True}, {"t": "true", "f": None},
    {"s": "{\"inner\": [1, 2]}"}, {"s": {"inner": [1, 3]}}, {"s": "[1, 2"}, {"s": [1.5, 2e20, 1e-7, 100.0, -0.0]},
    {"s": "é\u2028\"\\\n\x7f😀"}, {"s": ["é\u2028\"\\\n\x7f😀"]}, {"s": {"ü": [None, True, 0.1]}}, [[], {}], [{}, []],
    [None, None], [None, 0], [[1e16, 1e15, 1e-4, 1e-5, 12e22]], ["1e16"], {"deep": [[[[{"x": "y"}]]]]}, {"deep": [[[["x"]]]]},
]

ANSWERS = [
    ("The  Eiffel-Tower!", "eiffeltower"), ("The  Eiffel-Tower!", "eiffel tower"), ("a cat", "the cat"), ("cat", "A cat."),
    ("theatre", "atre"), ("an apple a day", "apple day"), ("U.S.A.", "usa"), ("42.0", "420"), ("", "the"), ("the", "a"),
    ("Über-Straße", "überstraße"), ("Über-Straße", "uberstrasse"), ("co_op the_a", "coop thea"), ("l’été", "lété"),
    ("tab\tand\nline", "tab and line"), ("the\u00a0end", "end"), ("“the” end", "“ ” end"), ("A", "a"), ("x a\x1cy", "x y"),
    ("Ὀδυσσεύς", "ὈΔΥΣΣΕΎΣ"), ("２ a ３", "２ ３"),
]

CASES = [
    ("Straße", "STRASSE"), ("Straße", "strase"), ("ΣΑΣ", "σας"), ("ﬁn", "FIN"), ("İ", "i"), ("ı", "I"), ("K", "k"),
    ("É", "e\u0301"), ("ǅ", "ǆ"), (" a", "A"), ("ᾼ", "ᾳ"), ("ŉ", "ʼN"),
]


def squad(text):
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(re.sub(r"\b(?:a|an|the)\b", " ", text).split())


def mutated(rng, value):
    """Another value, near the first."""
    if isinstance(value, dict):
        out = {k: mutated(rng, v) for k, v in value.items() if rng.random() > 0.1}
        if rng.random() < 0.2:
            out[rng.choice("abcxyz")] = rng.choice([None, 1, "new", [], {}])
        return out
    if isinstance(value, list):
        return [mutated(rng, v) for v in value if rng.random() > 0.1]
    if rng.random() < 0.3:
        return rng.choice([None, True, 0, 3.25, "text", "[1]", [1], {"k": "v"}])
    return value


def main():
    rng = random.Random(1)
    texts = [[a, b, Levenshtein().eval(a, b).score] for a in TEXTS for b in TEXTS]
    numbers = [[a, b, NumericDiff().eval(a, b).score] for a in NUMBERS for b in NUMBERS]
    pairs = [(a, b) for a in VALUES for b in VALUES]
    pairs += [(mutated(rng, a), a) for a in VALUES for _ in range(6)]
    # As a model writes it, and as a dataset has it.
    diffs = [[json.dumps(a, ensure_ascii=False), b, JSONDiff().eval(json.dumps(a), b).score]
             for a, b in pairs if isinstance(a, (dict, list))]
    diffs += [[text, b, JSONDiff().eval(text, b).score] for text in TEXTS[1:9] for b in ("hello", "[1, 2]", {"a": 1}, [])]
    vectors = {
        "made_by": "scripts/make_scorer_vectors.py",
        "versions": {name: version(name) for name in ("autoevals", "polyleven")},
        "levenshtein": texts,
        "numeric": numbers,
        "json_diff": diffs,
        "squad": [[a, b, squad(a) == squad(b)] for a, b in ANSWERS],
        "casefold": [[a, b, a.casefold() == b.casefold()] for a, b in CASES],
    }
    path = pathlib.Path(__file__).parent.parent / "promptops-core/tests/vectors/scorers.json"
    path.write_text("{\n" + ",\n".join(f'"{k}": {json.dumps(v)}' for k, v in vectors.items()) + "\n}\n")


main()
