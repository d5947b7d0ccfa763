from collections.abc import Sequence

from lookdown.wire.envelope import Envelope

RECORD_OCTETS: int
MAX_RECORDS_OCTETS: int

def pack_records(after: int, packets: Sequence[tuple[int, int, int, bytes]]) -> bytes: ...
def entries(envelope: Envelope) -> list[tuple[int, int, int, bytes]]: ...
