"""The dictionary as XTCE 1.2 (OMG 20180204, CCSDS 660.1), for ground systems that read packets from a description.

XTCE has no run of bits and no rows that a plain reader could follow: plots, tracks and text are one binary field whose
length comes from the primary header. Values in octaves stay raw, with their formula as description.
"""

import xml.etree.ElementTree as ET

from lookdown.wire.dictionary import CRC_BITS, Dictionary, Field, Packet

NAMESPACE = "http://www.omg.org/spec/XTCE/20180204"
SCHEMA = "https://www.omg.org/spec/XTCE/20180204/SpaceSystem.xsd"
ROOT = "CCSDSPacket"
LENGTH = "PKT_LEN"
_INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
_PRIMARY = (
    ("VERSION", 3),
    ("TYPE", 1),
    ("SEC_HDR_FLG", 1),
    ("PKT_APID", 11),
    ("SEQ_FLGS", 2),
    ("SRC_SEQ_CTR", 14),
    (LENGTH, 16),
)
_LENGTH_TO_BITS = 8 * 7  # the length counts what follows six octets, less one


def to_xtce(dictionary: Dictionary) -> str:
    """Return the XTCE document."""
    ET.register_namespace("xtce", NAMESPACE)
    ET.register_namespace("xsi", _INSTANCE)
    root = ET.Element(_q("SpaceSystem"), {"name": "lookdown"})
    root.set(f"{{{_INSTANCE}}}schemaLocation", f"{NAMESPACE} {SCHEMA}")
    metadata = ET.SubElement(root, _q("TelemetryMetaData"))
    document = _Document(
        ET.SubElement(metadata, _q("ParameterTypeSet")),
        ET.SubElement(metadata, _q("ParameterSet")),
        ET.SubElement(metadata, _q("ContainerSet")),
        dictionary,
    )
    document.add_primary_header()
    for packet in dictionary.packets:
        document.add_packet(packet)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _q(tag: str) -> str:
    return f"{{{NAMESPACE}}}{tag}"


class _Document:
    """The three sets of a document, filled packet by packet."""

    def __init__(
        self, types: ET.Element, parameters: ET.Element, containers: ET.Element, dictionary: Dictionary
    ) -> None:
        self._types, self._parameters, self._containers = types, parameters, containers
        self._dictionary = dictionary

    def add_primary_header(self) -> None:
        container = ET.SubElement(self._containers, _q("SequenceContainer"), {"name": ROOT, "abstract": "true"})
        entries = ET.SubElement(container, _q("EntryList"))
        for name, bits in _PRIMARY:
            self._add(entries, name, Field(name, bits=bits))
        for field in self._dictionary.packets[0].groups[0].fields:
            self._add(entries, field.name, field)
        self._define("crc", Field("crc", bits=CRC_BITS, about="CRC-32C of all octets before"))

    def add_packet(self, packet: Packet) -> None:
        container = ET.SubElement(
            self._containers, _q("SequenceContainer"), {"name": packet.name, "shortDescription": packet.about}
        )
        entries = ET.SubElement(container, _q("EntryList"))
        shared = {field.name for field in packet.groups[0].fields}
        for field in packet.layout():
            if field.name not in shared:
                for element in field.elements():
                    self._add(entries, f"{packet.name}_{element.name}", element)
        if packet.tail:
            self._add_tail(entries, packet)
        ET.SubElement(entries, _q("ParameterRefEntry"), {"parameterRef": "crc"})
        base = ET.SubElement(container, _q("BaseContainer"), {"containerRef": ROOT})
        criteria = ET.SubElement(base, _q("RestrictionCriteria"))
        wanted = {"parameterRef": "PKT_APID", "value": str(packet.apid), "useCalibratedValue": "false"}
        ET.SubElement(criteria, _q("Comparison"), wanted)

    def _add(self, entries: ET.Element, name: str, field: Field) -> None:
        self._define(name, field)
        ET.SubElement(entries, _q("ParameterRefEntry"), {"parameterRef": name})

    def _define(self, name: str, field: Field) -> None:
        """Add a parameter and its type."""
        enumeration = self._dictionary.enumerations.get(field.enumeration)
        if field.kind == "float":
            kind, attributes = "FloatParameterType", {"sizeInBits": str(field.bits)}
        elif enumeration and not enumeration.flags:
            kind, attributes = "EnumeratedParameterType", {}
        elif field.scale != 1.0:
            kind, attributes = "FloatParameterType", {"sizeInBits": "64"}
        else:
            kind, attributes = "IntegerParameterType", {"signed": str(field.kind == "signed").lower()}
        type_ = ET.SubElement(self._types, _q(kind), {"name": f"{name}_type", **attributes})
        about = field.about
        if field.kind == "octave":
            about += f"; raw: value = 2 ^ ((raw - {field.zero}) / {field.per_octave}), 0 for raw 0"
        if enumeration and enumeration.flags:
            about += "; bits: " + ", ".join(f"{value} {flag}" for flag, value in enumeration.values.items())
        if about:
            type_.set("shortDescription", about)
        units = ET.SubElement(type_, _q("UnitSet"))
        if field.unit != "1":
            ET.SubElement(units, _q("Unit")).text = field.unit
        if field.kind == "float":
            encoding = {"sizeInBits": str(field.bits), "encoding": "IEEE754_1985"}
            ET.SubElement(type_, _q("FloatDataEncoding"), encoding)
        else:
            form = "twosComplement" if field.kind == "signed" else "unsigned"
            coded = ET.SubElement(type_, _q("IntegerDataEncoding"), {"sizeInBits": str(field.bits), "encoding": form})
            if field.scale != 1.0:
                calibrator = ET.SubElement(coded, _q("DefaultCalibrator"))
                polynomial = ET.SubElement(calibrator, _q("PolynomialCalibrator"))
                for exponent, coefficient in enumerate(("0", repr(field.scale))):
                    ET.SubElement(polynomial, _q("Term"), {"coefficient": coefficient, "exponent": str(exponent)})
        if kind == "EnumeratedParameterType" and enumeration:
            names = ET.SubElement(type_, _q("EnumerationList"))
            for label, value in enumeration.values.items():
                ET.SubElement(names, _q("Enumeration"), {"value": str(value), "label": label})
        ET.SubElement(self._parameters, _q("Parameter"), {"name": name, "parameterTypeRef": f"{name}_type"})

    def _add_tail(self, entries: ET.Element, packet: Packet) -> None:
        """Add what follows the fixed fields as one binary field that fills the packet up to its CRC."""
        name = f"{packet.name}_{packet.attribute}"
        type_ = ET.SubElement(self._types, _q("BinaryParameterType"), {"name": f"{name}_type"})
        ET.SubElement(type_, _q("UnitSet"))
        coded = ET.SubElement(type_, _q("BinaryDataEncoding"))
        size = ET.SubElement(ET.SubElement(coded, _q("SizeInBits")), _q("DynamicValue"))
        ET.SubElement(size, _q("ParameterInstanceRef"), {"parameterRef": LENGTH})
        rest = _LENGTH_TO_BITS - packet.fixed_bits - CRC_BITS
        ET.SubElement(size, _q("LinearAdjustment"), {"slope": "8", "intercept": str(rest)})
        ET.SubElement(self._parameters, _q("Parameter"), {"name": name, "parameterTypeRef": f"{name}_type"})
        ET.SubElement(entries, _q("ParameterRefEntry"), {"parameterRef": name})
