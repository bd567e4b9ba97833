"""The AI-content label: IPTC's term for how a picture came about, and China's implicit label, both as XMP.

IPTC Photo Metadata Standard 2025.1, "Digital Source Type"; GB 45438-2025 (implicit label: annex E) and its practice
guide for pictures TC260-PG-20258A, which puts the label's JSON into XMP. The packet is that of ISO 16684-1.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from xml.etree import ElementTree
from xml.sax.saxutils import escape

__all__ = ["AIGC_FIELDS", "ENHANCED", "Label", "aigc", "packet", "read_packet", "source_type"]

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
MADE_BY_MACHINE = (
    "trainedAlgorithmicMedia",
    "compositeWithTrainedAlgorithmicMedia",
    "algorithmicMedia",
    "algorithmicallyEnhanced",
)
AIGC_FIELDS = (
    "Label",
    "ContentProducer",
    "ProduceID",
    "ReservedCode1",
    "ContentPropagator",
    "PropagateID",
    "ReservedCode2",
)
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_TC260 = "http://www.tc260.org.cn/ns/AIGC/1.0/"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
ENHANCED = "algorithmicallyEnhanced"
_LONGEST = 1 << 20  # characters of a packet that is read


class Label(NamedTuple):
    """What an XMP packet says of how a picture came about."""

    source_type: str | None = None  # the last part of IPTC's address
    aigc: dict[str, Any] | None = None  # China's label; {} where it cannot be read


def source_type(recipe: Mapping[str, Any]) -> str:
    """IPTC's term for the picture of a recipe.

    Trained models make `trainedAlgorithmicMedia`, and where a part of a given picture stays
    `compositeWithTrainedAlgorithmicMedia`; what nothing was trained for, such as the brushes, `algorithmicMedia`.
    A photograph that is restored or made better is `algorithmicallyEnhanced`; a picture of ours stays what it was.
    """
    if recipe.get("task") in ("restore", "enhance"):
        return str(recipe.get("origin") or ENHANCED)
    if not recipe.get("model"):
        return "algorithmicMedia"
    return "compositeWithTrainedAlgorithmicMedia" if recipe.get("task") == "edit" else "trainedAlgorithmicMedia"


def aigc(producer: str, identity: str, digest: str) -> dict[str, str]:
    """China's implicit label of a picture that a machine made for certain.

    Args:
        producer: the name or code of who offers the service.
        identity: the picture's own number at that producer.
        digest: the SHA-256 of the pixels, which the label holds for the producer's own checks.
    """
    values = ("1", producer, identity, digest, producer, identity, "")
    return dict(zip(AIGC_FIELDS, values))


def packet(kind: str | None, china: Mapping[str, str] | None = None) -> bytes:
    """The XMP packet with IPTC's term `kind`, one that `source_type` gives, and China's label, each where given."""
    lines = []
    if kind is not None:
        lines.append(f"<Iptc4xmpExt:DigitalSourceType>{SOURCE_TYPES}{kind}</Iptc4xmpExt:DigitalSourceType>")
    if china is not None:
        lines.append(f"<TC260:AIGC>{escape(json.dumps(china, ensure_ascii=False))}</TC260:AIGC>")
    names = f'xmlns:Iptc4xmpExt="{_IPTC}" xmlns:TC260="{_TC260}"'
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF xmlns:rdf="{_RDF}"><rdf:Description rdf:about="" {names}>{"".join(lines)}</rdf:Description>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
    ).encode()


def read_packet(xmp: str | bytes | None) -> Label:
    """What an XMP packet says, of whatever program; an absent or broken one says nothing."""
    text = xmp.decode("utf-8", "replace") if isinstance(xmp, bytes) else xmp or ""
    if len(text) > _LONGEST or "<!" in text:  # a packet has no document type, so no entities that could grow
        return Label()
    try:
        tree = ElementTree.fromstring(text.strip("\ufeff\0 \r\n\t"))
    except ElementTree.ParseError:
        return Label()
    kind, china = (_property(tree, name) for name in (f"{{{_IPTC}}}DigitalSourceType", f"{{{_TC260}}}AIGC"))
    return Label(kind.strip().rpartition("/")[2] if kind else None, None if china is None else _object(china))


def _property(tree: ElementTree.Element, name: str) -> str | None:
    """A simple property of XMP, which may be written as an element or as an attribute."""
    for node in tree.iter():
        if node.tag == name:
            return node.text or node.get(f"{{{_RDF}}}resource") or ""
        if name in node.attrib:
            return node.attrib[name]
    return None


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
