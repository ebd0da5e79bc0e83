"""The golden vectors as tables for the C tests: `python -m tests.firmware_bridge.make_c_vectors` after each change of `vectors/`."""

from tests.firmware_bridge.vectors import FOLDER, Exchange, FrameVector, Step, load_exchanges, load_frames

TESTS = FOLDER.parent / "tests"
HEAD = "/* Made from ../vectors by `python -m tests.firmware_bridge.make_c_vectors`; do not edit. SPDX-License-Identifier: GPL-3.0-or-later */\n"


def tables() -> dict[str, str]:
    """Return the generated files, by name."""
    frames = "".join(map(_frame, load_frames()))
    exchanges = "".join(_exchange(number, exchange) for number, exchange in enumerate(load_exchanges()))
    entries = "".join(_entry(number, exchange) for number, exchange in enumerate(load_exchanges()))
    return {
        "vectors_frames.inc": f"{HEAD}static const frame_vector FRAMES[] = {{\n{frames}}};\n",
        "vectors_exchanges.inc": f"{HEAD}{exchanges}static const exchange_vector EXCHANGES[] = {{\n{entries}}};\n",
    }


def _bytes(data: bytes) -> str:
    """A string literal and its length."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in data) + f'", {len(data)}u'


def _text(text: str) -> str:
    return '"' + "".join(char if char.isascii() and char.isprintable() and char not in '"\\' else "?" for char in text) + '"'


def _flag(value: object) -> str:
    return "true" if value else "false"


def _frame(vector: FrameVector) -> str:
    counts = f"{vector.frames}u, {vector.bad_frames}u, {vector.garbage_bytes}u, {_flag(vector.taken)}, {_flag(vector.answered)}"
    return f"    {{{_text(vector.name)}, {_bytes(vector.wire)}, {vector.session}u, {vector.node_us}u, {counts}}},\n"


def _exchange(number: int, exchange: Exchange) -> str:
    steps = ",\n    ".join(map(_step, exchange.steps))
    return f"static const step_vector STEPS_{number}[] = {{\n    {steps}}};\n"


def _step(step: Step) -> str:
    flashes = ", ".join(f"{{{at[0]}u, {at[1]}u, {at[2]}u, {at[3]}u, {at[4]}u}}" for at in step.flashes) or "{0, 0, 0, 0, 0}"
    log = f"{step.log[0]}u, {_text(step.log[1])}" if step.log else "0, NULL"
    return f"{{{step.at_us}u, {_bytes(step.received)}, {_bytes(b''.join(step.sent))}, {len(step.flashes)}u, {{{flashes}}}, {log}}}"


def _entry(number: int, exchange: Exchange) -> str:
    who = exchange.identity
    unique_id = ", ".join(map(str, who.unique_id))
    identity = (
        f"{{{unique_id}}}, {who.boot_id}u, {who.led_tx_us}u, {who.led_count}u, {who.reset_reason}, {who.clock_bits}, {_text(who.firmware)}"
    )
    return (
        f"    {{{_text(exchange.name)}, {{{identity}}}, {exchange.started_us}u, {_flag(exchange.announce)},"
        f" STEPS_{number}, sizeof STEPS_{number} / sizeof STEPS_{number}[0]}},\n"
    )


if __name__ == "__main__":
    for name, text in tables().items():
        (TESTS / name).write_text(text, encoding="utf-8")
