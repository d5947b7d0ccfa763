"""The dictionary: every packet and its fields, read from ``dictionary.toml`` and held to be sound.

A dictionary with a name used twice, with fields that overlap or leave a hole, or with a unit or enumeration that
nobody has defined is refused with file and line. What is read drives the codec, the page and the XTCE file.
"""

import re
import tomllib
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

PATH = Path(__file__).with_name("dictionary.toml")
HEADER_AT = 48
"""First bit after the primary header."""
CRC_BITS = 32
_DEFINITION = re.compile(r"\s*(?:\{\s*)?name\s*=")
_TAILS = "", "plots", "echoes", "tracks", "text"
_KINDS = ("unsigned", "signed", "float", "octave", "quaternion")


class DictionaryError(Exception):
    """A dictionary that cannot be used; the message names file, line and cure."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a packet, a group or a row: place, form, unit and the bounds of each of its values."""

    name: str
    at: int = 0
    bits: int = 0
    count: int = 1
    kind: Literal["unsigned", "signed", "float", "octave", "quaternion"] = "unsigned"
    scale: float = 1.0
    per_octave: int = 0
    zero: int = 0
    unit: str = "1"
    low: float | None = None
    high: float | None = None
    enumeration: str = ""
    about: str = ""
    line: int = 0

    @property
    def size(self) -> int:
        """Bits of the whole field."""
        return 2 + 3 * self.bits if self.kind == "quaternion" else self.bits * self.count

    @property
    def bounds(self) -> tuple[float, float]:
        """Least and largest value: as given, else what the bits can hold."""
        if self.kind == "octave":
            top = 2.0 ** (((1 << self.bits) - 1 - self.zero) / self.per_octave)
            low, high = 0.0, top
        elif self.kind == "quaternion":
            low, high = -1.0, 1.0
        elif self.kind == "signed":
            low, high = -(self.scale * (1 << self.bits - 1)), self.scale * ((1 << self.bits - 1) - 1)
        elif self.kind == "float":
            low, high = 0.0, 0.0  # always given
        else:
            low, high = 0, (1 << self.bits) - 1
            if self.scale != 1.0:
                high = high * self.scale
        return (low if self.low is None else self.low, high if self.high is None else self.high)

    def elements(self) -> "list[Field]":
        """Split a field into its single values, named by number, as a reader without arrays sees them."""
        if self.kind == "quaternion":
            largest = replace(self, name=f"{self.name}_largest", bits=2, kind="unsigned", scale=1.0, high=3)
            parts = [
                replace(self, name=f"{self.name}_{i}", at=self.at + 2 + i * self.bits, kind="signed") for i in range(3)
            ]
            return [largest, *parts]
        if self.count == 1:
            return [self]
        return [replace(self, name=f"{self.name}_{i}", at=self.at + i * self.bits, count=1) for i in range(self.count)]


@dataclass(frozen=True, slots=True)
class Group:
    """Fields that packets share; within a packet ``at`` counts from its first bit."""

    name: str
    fields: tuple[Field, ...] = ()
    at: int = 0
    optional: bool = False
    about: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True)
class Enumeration:
    """Names of the values, or of the bits, of a field."""

    name: str
    entries: tuple[tuple[str, int, str], ...] = ()
    flags: bool = False
    about: str = ""
    line: int = 0

    @property
    def values(self) -> dict[str, int]:
        """Value of each name."""
        return {name: value for name, value, _ in self.entries}

    @property
    def largest(self) -> int:
        """Largest value that a field may have."""
        return sum(self.values.values()) if self.flags else max(self.values.values())


@dataclass(frozen=True, slots=True)
class Packet:
    """One kind of packet: APID, fixed fields, groups, and what follows to the end.

    ``tail`` is ``""`` (nothing), ``plots`` or ``echoes`` (runs of bits), ``tracks`` (rows of ``columns``) or ``text``
    (UTF-8), ``attribute`` its name in the message; ``rows`` bounds plots, tracks or octets of text. ``sensor`` tells
    whether the message belongs to one sensor, ``telecommand`` whether it goes to the board. ``values`` describes a run
    of bits.
    """

    name: str
    apid: int = 0
    fields: tuple[Field, ...] = ()
    groups: tuple[Group, ...] = ()
    tail: Literal["", "plots", "echoes", "tracks", "text"] = ""
    attribute: str = ""
    columns: tuple[Field, ...] = ()
    values: tuple[Field, ...] = ()
    rows: int = 0
    sensor: bool = True
    telecommand: bool = False
    about: str = ""
    line: int = 0

    def layout(self) -> list[Field]:
        """Return the fixed fields in order of their place, those of groups among them, from the secondary header on."""
        shared = [replace(f, at=f.at + group.at) for group in self.groups for f in group.fields]
        return sorted([*self.fields, *shared], key=lambda f: f.at)

    @property
    def fixed_bits(self) -> int:
        """Bits ahead of the tail, the primary header among them."""
        last = self.layout()[-1]
        return last.at + last.size


@dataclass(frozen=True, slots=True)
class Dictionary:
    """All packets, with the units and enumerations they use."""

    version: int
    units: dict[str, str]
    enumerations: dict[str, Enumeration]
    packets: tuple[Packet, ...]
    path: Path = field(default=PATH)

    def packet(self, name: str) -> Packet:
        """Return the packet of that name."""
        return next(packet for packet in self.packets if packet.name == name)


class _Reader:
    """Turns the tables of a file into definitions, each with the line it begins on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            text = path.read_text(encoding="utf-8")
            self._values = tomllib.loads(text)
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise DictionaryError(f"{path}: cannot be read: {error}; wanted a dictionary in TOML") from None
        # TOML readers keep the order of a document but not its lines: every definition begins with its name.
        lines = [n for n, line in enumerate(text.splitlines(), 1) if _DEFINITION.match(line)]
        self._lines = iter(lines)
        self._count = len(lines)
        self._taken = 0
        self._largest: dict[str, int] = {}

    def read(self) -> Dictionary:
        top = self._values
        places = {key: place for place, key in enumerate(top)}
        wanted = ("version", "unit", "enumeration", "group", "packet")
        if sorted(places) != sorted(wanted) or list(places) != list(wanted):
            raise DictionaryError(f"{self._path}: wanted {', '.join(wanted)} in this order, came {', '.join(places)}")
        units = [self._take(Group, entry) for entry in top["unit"]]
        enumerations = [self._enumeration(entry) for entry in top["enumeration"]]
        self._largest = {e.name: e.largest for e in enumerations}
        groups = [self._group(entry) for entry in top["group"]]
        packets = [self._packet(entry) for entry in top["packet"]]
        if self._taken != self._count:
            raise DictionaryError(f"{self._path}: wanted each definition on a line that begins with its name")
        for named in (units, enumerations, groups, packets):
            self._unique(named)
        by_apid: dict[int, Packet] = {}
        shared = {group.name: group for group in groups}
        known = {e.name: e for e in enumerations}
        names = {unit.name: unit.about for unit in units}
        checked = []
        for packet in packets:
            if packet.apid in by_apid or not 0 < packet.apid < 2040:
                raise self.error(
                    packet.line, f"{packet.name}: wanted an APID of its own, 1 to 2039; came {packet.apid:#x}"
                )
            by_apid[packet.apid] = packet
            parts = [replace(self._shared(shared, "header", packet.line), at=HEADER_AT)]
            for use in packet.groups:
                group = self._shared(shared, use.name, use.line)
                parts.append(replace(group, at=use.at, optional=use.optional))
            checked.append(self._checked(replace(packet, groups=tuple(parts)), names, known))
        return Dictionary(top["version"], names, known, tuple(checked), self._path)

    def error(self, line: int, text: str) -> DictionaryError:
        return DictionaryError(f"{self._path}:{line}: {text}")

    def _take(self, cls: type[Any], entry: dict[str, Any], **built: Any) -> Any:
        line = built.pop("line", None) or self._line()
        known = [f.name for f in fields(cls) if f.name != "line"]
        for key in entry:
            if key not in known:
                raise self.error(line, f"unknown key '{key}'; known: {', '.join(known)}")
        if not isinstance(entry.get("name"), str):
            raise self.error(line, "wanted a name, came none; every definition has one")
        if "enumeration" in entry and "high" not in entry:
            built["high"] = self._largest.get(entry["enumeration"])
        return cls(**{**entry, **built, "line": line})

    def _line(self) -> int:
        self._taken += 1
        line = next(self._lines, None)
        if line is None:
            raise DictionaryError(f"{self._path}: wanted each definition on a line that begins with its name")
        return line

    def _enumeration(self, entry: dict[str, Any]) -> Enumeration:
        line = self._line()
        entries: list[tuple[str, int, str]] = []
        for item in entry["entries"]:
            at = self._line()
            if item["name"] in [name for name, _, _ in entries] or item["value"] in [value for _, value, _ in entries]:
                raise self.error(at, f"{entry['name']}: {item['name']} = {item['value']} is there already; use it once")
            entries.append((item["name"], item["value"], item.get("about", "")))
        built: Enumeration = self._take(Enumeration, entry, entries=tuple(entries), line=line)
        return built

    def _group(self, entry: dict[str, Any]) -> Group:
        line = self._line()
        inner = tuple(self._take(Field, item) for item in entry["fields"])
        built: Group = self._take(Group, entry, fields=inner, line=line)
        return built

    def _packet(self, entry: dict[str, Any]) -> Packet:
        line = self._line()
        built: dict[str, Any] = {}
        for key, cls in (("fields", Field), ("groups", Group), ("columns", Field), ("values", Field)):
            built[key] = tuple(self._take(cls, item) for item in entry.get(key, ()))
        packet: Packet = self._take(Packet, entry, **built, line=line)
        return packet

    def _shared(self, groups: dict[str, Group], name: str, line: int) -> Group:
        if name not in groups:
            raise self.error(line, f"unknown group '{name}'; known: {', '.join(groups)}")
        return groups[name]

    def _unique(self, named: list[Any]) -> None:
        lines: dict[str, int] = {}
        for item in named:
            if item.name in lines:
                raise self.error(item.line, f"'{item.name}' is defined on line {lines[item.name]} already; rename one")
            lines[item.name] = item.line

    def _checked(self, packet: Packet, units: dict[str, str], known: dict[str, Enumeration]) -> Packet:
        layout = packet.layout()
        for run, start in ((layout, HEADER_AT), (list(packet.columns), 0)):
            self._unique([element for item in run for element in item.elements()])
            at, before = start, "the header"
            for item in sorted(run, key=lambda f: f.at):
                self._check_field(item, units, known)
                if item.at < at:
                    raise self.error(
                        item.line,
                        f"{packet.name}: {item.name} begins at bit {item.at}, {before} ends at {at}; they overlap",
                    )
                if item.at > at:
                    raise self.error(
                        item.line,
                        f"{packet.name}: {item.name} begins at bit {item.at}, {before} ends at {at}; close the hole",
                    )
                at, before = item.at + item.size, item.name
            if at % 8:
                raise self.error(
                    packet.line, f"{packet.name}: wanted whole octets, its fields end at bit {at}; fill up"
                )
        self._unique(list(packet.values))
        for item in packet.values:
            self._check_name(item, units, known)
        if packet.tail not in _TAILS or bool(packet.columns) != (packet.tail == "tracks"):
            raise self.error(
                packet.line,
                f"{packet.name}: wanted tail plots, echoes, tracks (with columns) or text, came '{packet.tail}'",
            )
        return packet

    def _check_name(self, item: Field, units: dict[str, str], known: dict[str, Enumeration]) -> None:
        if item.unit not in units:
            raise self.error(item.line, f"{item.name}: unknown unit '{item.unit}'; known: {', '.join(units)}")
        if item.enumeration and item.enumeration not in known:
            raise self.error(
                item.line, f"{item.name}: unknown enumeration '{item.enumeration}'; known: {', '.join(known)}"
            )

    def _check_field(self, item: Field, units: dict[str, str], known: dict[str, Enumeration]) -> None:
        self._check_name(item, units, known)
        if item.kind not in _KINDS:
            raise self.error(item.line, f"{item.name}: unknown kind '{item.kind}'; known: {', '.join(_KINDS)}")
        wanted = (32, 64) if item.kind == "float" else range(1, 65)
        if item.bits not in wanted or item.count < 1:
            raise self.error(
                item.line, f"{item.name}: wanted bits {wanted} and a count, came {item.bits} and {item.count}"
            )
        if item.kind == "float" and (item.low is None or item.high is None):
            raise self.error(item.line, f"{item.name}: a float has no bounds of its own; give low and high")
        if item.kind == "octave" and (item.per_octave < 1 or item.zero < 1):
            raise self.error(item.line, f"{item.name}: octaves need per_octave and zero, 1 or more")
        low, high = item.bounds
        if not low <= high:
            raise self.error(item.line, f"{item.name}: wanted low <= high, came {low} and {high}")


def load_dictionary(path: Path = PATH) -> Dictionary:
    """Read a dictionary.

    Raises
    ------
    DictionaryError
        The file is no dictionary, or an unsound one; the message names file and line.
    """
    return _Reader(Path(path)).read()


DICTIONARY = load_dictionary()
MAX_SIGHTS = DICTIONARY.packet("PlotReport").rows
"""Plots that a report may hold; `PlotReport.n_left_out` counts the rest."""
MAX_TRACKS = DICTIONARY.packet("Picture").rows
"""Tracks that a picture may hold; `Picture.n_left_out` counts the rest."""
