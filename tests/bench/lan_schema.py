"""A stranger with nothing but the published schema, for `make bench-lan`: `python -m tests.bench.lan_schema PORT`.

Prints a line of JSON for each line on stdin: messages so far, those that the schema refuses, and the first of those.
"""

import json
import sys
import threading
from pathlib import Path

import jsonschema
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

SCHEMA = Path(__file__).parents[2] / "docs" / "telemetry.schema.json"


def main() -> None:
    """Subscribe, judge, answer."""
    told: dict[str, object] = {"messages": 0, "invalid": 0, "first": None}
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))

    def judge() -> None:
        count = invalid = 0
        with connect(f"ws://127.0.0.1:{sys.argv[1]}/telemetry?format=json", proxy=None) as telemetry:
            try:
                for text in telemetry:
                    error = next(validator.iter_errors(json.loads(text)), None)
                    count, invalid = count + 1, invalid + (error is not None)
                    told.update(messages=count, invalid=invalid, first=told["first"] or (error and str(error)[:500]))
            except ConnectionClosed:
                return

    threading.Thread(target=judge, daemon=True).start()
    while sys.stdin.readline():
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
