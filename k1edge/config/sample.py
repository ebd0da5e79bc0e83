"""The sample file, made from the settings themselves so that it can't fall behind them."""

import json
import textwrap
from typing import Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from k1edge.config.settings import SECTIONS

_WIDTH = 110

_LIMITS = ("ge", "le", "min_length", "max_length")

_HEAD = """\
# k1edge: every key, commented at its default. Take the # away from what you change.
# Read in this order, later wins: defaults, /etc/k1edge/k1edge.toml, ~/.config/k1edge/k1edge.toml, environment, flags.
# Environment: K1EDGE_SECTION__KEY, for example K1EDGE_AUDIO__DEVICE=hw:Loopback.
# "k1edge config check" tells whether a change is right, "k1edge config show" what is in force and why.
"""


def sample_toml() -> str:
    """Return the text of the sample configuration."""
    lines = [_HEAD]
    for section, model in SECTIONS.items():
        lines += [f"# {(model.__doc__ or '').strip()}", f"[{section}]"]
        for key, field in model.model_fields.items():
            words = f"{field.description} Must be {rule(field)}."
            lines += textwrap.wrap(words, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
            lines.append(f"#{key} = {json.dumps(field.default)}")
        lines.append("")
    return "\n".join(lines)


def rule(field: FieldInfo) -> str:
    """What a key may hold, to follow "must be": `a number from 20 to 500`, `one of auto, json, text`."""
    if get_origin(field.annotation) is Literal:
        return "one of " + ", ".join(str(choice) for choice in get_args(field.annotation))
    if field.default_factory is None and field.json_schema_extra:
        return str(dict(field.json_schema_extra)["forms"])  # type: ignore[arg-type]  # we put a mapping there
    limits = {name: getattr(each, name) for each in field.metadata for name in _LIMITS if getattr(each, name, None) is not None}
    if field.annotation is not str:
        kind = "a whole number" if field.annotation is int else "a number"
        return f"{kind} from {limits['ge']} to {limits['le']}"
    return f"a text of {limits.get('min_length', 0)} to {limits['max_length']} printable characters"
