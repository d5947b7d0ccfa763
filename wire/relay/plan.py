"""The contact plan: which node can send to which, when, at which rate and with which delay.

A plan is a text file, a line a contact, that people can read and other programs can write::

    lookdown contact plan 1
    # from    to  start_ns             end_ns               bit_per_s  delay_ns
    contact  7  901  1790000000000000000  1790000420000000000  100000000  4120000

Times are TAI since 1970-01-01 [ns], identities 1 to 65535. A contact is one way; two of one ordered pair do not
overlap. Empty lines and what follows ``#`` count for nothing. Anything else is refused with file, line and cure.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from lookdown.wire.errors import ConfigError

HEAD = "lookdown contact plan 1"
MAX_BITS_PER_S = 10**13
MAX_DELAY_NS = 10**13
_FIELDS = ("from", "to", "start_ns", "end_ns", "bit_per_s", "delay_ns")


class Contact(NamedTuple):
    """One time for which one node can send to another."""

    sender: int
    receiver: int
    start_ns: int
    end_ns: int
    bits_per_s: int
    delay_ns: int


def check_contacts(contacts: Iterable[Contact]) -> tuple[Contact, ...]:
    """Return contacts by sender, receiver and time; ValueError, naming the contact, if one cannot be."""
    ordered = sorted(contacts)
    before: Contact | None = None
    for contact in ordered:
        _check(contact)
        if before and before[:2] == contact[:2] and contact.start_ns < before.end_ns:
            raise ValueError(
                f"contacts {contact.sender} to {contact.receiver} overlap: one begins at {contact.start_ns}, before "
                f"{before.end_ns}; make one of them"
            )
        before = contact
    return tuple(ordered)


def _check(contact: Contact) -> None:
    for name, value, least, most in (
        ("from", contact.sender, 1, 65535),
        ("to", contact.receiver, 1, 65535),
        ("start_ns", contact.start_ns, 0, 2**62),
        ("end_ns", contact.end_ns, contact.start_ns + 1, 2**62),
        ("bit_per_s", contact.bits_per_s, 1, MAX_BITS_PER_S),
        ("delay_ns", contact.delay_ns, 0, MAX_DELAY_NS),
    ):
        if not least <= value <= most:
            raise ValueError(f"{name}: wanted {least} to {most}, came {value}")
    if contact.sender == contact.receiver:
        raise ValueError(f"to: wanted another node than {contact.sender}")


def read_plan(path: Path) -> tuple[Contact, ...]:
    """Read a contact plan.

    Returns
    -------
    tuple of Contact
        By sender, receiver and time.

    Raises
    ------
    ConfigError
        The file cannot be read, is no plan, or a line of it cannot be; the message names the line.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({error}); wanted a contact plan") from None
    if not lines or lines[0].strip() != HEAD:
        came = lines[0][:60] if lines else "an empty file"
        raise ConfigError(f"{path}:1: wanted {HEAD!r}, came {came!r}; lookdown-hil contacts writes such a file")
    contacts = []
    for number, line in enumerate(lines[1:], 2):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            if words[0] != "contact" or len(words) != 1 + len(_FIELDS):
                raise ValueError(f"wanted 'contact {' '.join(_FIELDS)}', came {line.strip()[:80]!r}")
            values = [int(word) if word.isascii() and word.isdigit() else _no_number(word) for word in words[1:]]
            contact = Contact(*values)
            _check(contact)
        except ValueError as error:
            raise ConfigError(f"{path}:{number}: {error}") from None
        contacts.append(contact)
    try:
        return check_contacts(contacts)
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None


def _no_number(word: str) -> int:
    raise ValueError(f"wanted a whole number, came {word!r}")


def write_plan(path: Path, contacts: Iterable[Contact], notes: Iterable[str] = ()) -> None:
    """Write a contact plan; ``notes`` become lines of comment at its head."""
    with Path(path).open("w", encoding="utf-8") as file:
        file.write(HEAD + "\n" + "".join(f"# {note}\n" for note in notes) + f"# {' '.join(_FIELDS)}\n")
        file.writelines(f"contact {' '.join(map(str, contact))}\n" for contact in check_contacts(contacts))
