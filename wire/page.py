"""The documentation page of the packets, made from the dictionary."""

from lookdown.wire.dictionary import CRC_BITS, HEADER_AT, Dictionary, Field, Packet

_HEAD = """# Packets

Made from `wire/dictionary.toml` by `make pages`; do not edit. How plots become bits, what is lost, and what a report
costs stands in [link.md](link.md).

Every packet is a CCSDS space packet (133.0-B-2), big-endian: 48 bits of primary header, the secondary header below, the
fields of its kind, and at the end {crc} bits of CRC-32C over all octets before. *bit* counts from the first bit of the
packet (of the row, for columns). A value outside its range is refused by both sides.
"""

_TIME = """
The time is a CUC code (301.0-B-4): epoch 1958-01-01 TAI, four octets of seconds and four of their fraction; the P-field
(`9F 04`) is not sent. It keeps each nanosecond until 2094.
"""


def page(dictionary: Dictionary) -> str:
    """Return the page in Markdown."""
    parts = [_HEAD.format(crc=CRC_BITS), "\n| packet | APID | to the board | content | least octets |\n"]
    parts.append("|---|---|---|---|---|\n")
    for packet in dictionary.packets:
        octets = (packet.fixed_bits + CRC_BITS) // 8
        way = "yes" if packet.telecommand else ""
        parts.append(
            f"| [{packet.name}](#{packet.name.lower()}) | {packet.apid:#x} | {way} | {packet.about} | {octets} |\n"
        )
    header = dictionary.packets[0].groups[0]
    parts += ["\n## Secondary header\n\n", _fields(list(header.fields), HEADER_AT), _TIME]
    for packet in dictionary.packets:
        parts += _packet(packet)
    parts.append("\n## Enumerations\n")
    for enumeration in dictionary.enumerations.values():
        kind = "bits" if enumeration.flags else "values"
        parts.append(f"\n**{enumeration.name}**: {enumeration.about} ({kind})\n\n| | name | means |\n|---|---|---|\n")
        parts += [f"| {value} | {name} | {about} |\n" for name, value, about in enumeration.entries]
    parts.append("\n## Units\n\n| unit | means |\n|---|---|\n")
    parts += [f"| {unit} | {about} |\n" for unit, about in dictionary.units.items()]
    return "".join(parts)


def _packet(packet: Packet) -> list[str]:
    shared = {field.name for field in packet.groups[0].fields}
    parts = [f"\n## {packet.name}\n\n{packet.about.capitalize()}.\n\n"]
    parts.append(_fields([field for field in packet.layout() if field.name not in shared], 0))
    if any(group.optional for group in packet.groups):
        parts.append("\nAll bits of the sensor's state are zero if the message has none.\n")
    if packet.tail == "text":
        parts.append(f"\nThen `{packet.attribute}`: up to {packet.rows} octets of UTF-8.\n")
    elif packet.columns:
        parts.append(f"\nThen up to {packet.rows} rows of `{packet.attribute}`:\n\n{_fields(list(packet.columns), 0)}")
    elif packet.values:
        parts.append(f"\nThen up to {packet.rows} `{packet.attribute}` as a run of bits, each with:\n\n")
        parts.append("| value | unit | range | about |\n|---|---|---|---|\n")
        parts += [f"| {v.name} | {_unit(v)} | {_range(v)} | {v.about} |\n" for v in packet.values]
    return parts


def _fields(fields: list[Field], offset: int) -> str:
    lines = ["| bit | name | bits | form | unit | range | about |\n|---|---|---|---|---|---|---|\n"]
    for f in fields:
        bits = f"{f.count} x {f.bits}" if f.count > 1 else str(f.size)
        lines.append(f"| {f.at + offset} | {f.name} | {bits} | {_form(f)} | {_unit(f)} | {_range(f)} | {f.about} |\n")
    return "".join(lines)


def _form(field: Field) -> str:
    if field.kind == "octave":
        return f"2^((raw - {field.zero}) / {field.per_octave}), raw 0 is 0"
    if field.kind == "quaternion":
        return f"smallest three, {field.bits} bits each, x {field.scale:.10g}"
    return f"{field.kind} x {field.scale:g}" if field.scale != 1.0 else field.kind


def _unit(field: Field) -> str:
    return field.enumeration or field.unit


def _range(field: Field) -> str:
    low, high = field.bounds
    return f"{_number(low)} to {_number(high)}"


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) and value < 10**6 else f"{value:.7g}"
