"""ZIPs in which head, directory and data say whatever a test wants them to."""

import struct
import zlib
from dataclasses import dataclass, field

Lies = dict[str, int]


@dataclass(frozen=True)
class Member:
    """A member to be written with whatever is claimed of it, at its head and in the directory."""

    name: bytes
    content: bytes
    packed: bytes | None = None  # default: deflated
    both: Lies = field(default_factory=dict)  # what head and directory say instead of the truth
    head: Lies = field(default_factory=dict)
    listed: Lies = field(default_factory=dict)
    at_head: bytes | None = None  # another name there

    @property
    def data(self) -> bytes:
        return deflated(self.content) if self.packed is None else self.packed

    def facts(self) -> Lies:
        facts = {"flags": 0, "method": 8, "crc": zlib.crc32(self.content), "attributes": 0o100600 << 16}
        return {**facts, "packed": len(self.data), "size": len(self.content), **self.both}


def deflated(content: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def head_of(member: Member) -> bytes:
    facts, name = {**member.facts(), **member.head}, member.at_head or member.name
    numbers = (20, facts["flags"], facts["method"], 0, 33, facts["crc"], facts["packed"], facts["size"], len(name), 0)
    return struct.pack("<4s5H3L2H", b"PK\x03\x04", *numbers) + name


def entry_of(member: Member, offset: int) -> bytes:
    facts = {**member.facts(), "offset": offset, **member.listed}
    numbers = (0x314, 20, facts["flags"], facts["method"], 0, 33, facts["crc"], facts["packed"], facts["size"])
    lengths = (len(member.name), 0, 0, 0, 0, facts["attributes"], facts["offset"])
    return struct.pack("<4s6H3L5H2L", b"PK\x01\x02", *numbers, *lengths) + member.name


def end_of(count: int, size: int, offset: int, comment: bytes = b"") -> bytes:
    return struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, size, offset, len(comment)) + comment


def zip_of(*members: Member) -> bytes:
    body, directory = b"", b""
    for member in members:
        directory += entry_of(member, len(body))
        body += head_of(member) + member.data
    return body + directory + end_of(len(members), len(directory), len(body))


def with_end(content: bytes, **lies: int) -> bytes:
    """The ZIP with another end record."""
    facts = dict(zip(("disk", "first", "here", "all", "size", "offset", "comment"), end_facts(content), strict=True))
    return content[:-22] + struct.pack("<4s4H2LH", b"PK\x05\x06", *{**facts, **lies}.values())


def end_facts(content: bytes) -> tuple[int, ...]:
    return struct.unpack("<4s4H2LH", content[-22:])[1:]


def with_end64(content: bytes, **lies: int) -> bytes:
    """The ZIP with a 64 bit end, which the short one refers to."""
    _, _, _, count, size, offset, _ = end_facts(content)
    facts = {"here": count, "all": count, "size": size, "offset": offset, **lies}
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, *facts.values())
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(content) - 22, 1)
    return content[:-22] + end64 + locator + content[-22:]


def with_hidden_zip(content: bytes) -> bytes:
    """A ZIP whose comment is the directory and the end of another."""
    _, _, _, count, size, offset, _ = end_facts(content)
    inner = content[offset : offset + size]
    comment = inner + end_of(count, size, len(content))
    return content[:-22] + end_of(count, size, offset, comment)


def many_members(count: int) -> bytes:
    """A ZIP of empty members, all at its beginning."""
    head = head_of(Member(b"0000000.txt", b""))
    entries = b"".join(entry_of(Member(b"%07d.txt" % number, b"", packed=b""), 0) for number in range(count))
    short = min(count, 65535)
    content = head + entries + end_of(short, len(entries), len(head))
    return with_end64(content, here=count, all=count)
