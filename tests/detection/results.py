"""What a comparison has counted, and the floors that the chain is held to."""

from dataclasses import dataclass

from tests.detection.scoring import RATES, Count, pd_at, threshold_at, transfer

OURS = "lookdown"
OURS_MULTI = "lookdown, multi-frame"
CLIP_FLOORS = {1e-6: 0.72, 1e-5: 0.80}
"""Pd on the clips, at least."""

ORBITAL_FLOORS = ((OURS, 6.0, 0.8), (OURS, 12.0, 0.98), (OURS_MULTI, 4.5, 0.5))
"""Detector, SNR, and Pd at 1e-5, at least."""

TRANSFER = 3.0
"""Factor within which a threshold's Pfa holds on other recordings."""

TRANSFER_SHARE = 0.95
"""Part of all ways to halve the clips that keep within it; with eleven clips one is more than its half's share."""


@dataclass(frozen=True)
class Floor:
    """A bound and what was measured."""

    text: str
    value: float
    sense: str
    bound: float

    @property
    def met(self) -> bool:
        """Whether the bound holds."""
        return self.value >= self.bound if self.sense == ">=" else self.value > self.bound


@dataclass(frozen=True)
class Results:
    """Counts by detector on the clips, and by sensor and detector on the orbital sequences."""

    clips: dict[str, list[Count]]
    orbital: dict[str, dict[str, list[Count]]]

    def clips_pd(self, detector: str, pfa: float) -> float:
        """Pd of a detector on the clips, at the one threshold that gives a Pfa there."""
        counts = self.clips[detector]
        return pd_at(counts, threshold_at(counts, pfa))

    def orbital_pd(self, sensor: str, detector: str, pfa: float, snr: float) -> float:
        """Pd of movers of a SNR on the sequences of a sensor."""
        counts = self.orbital[sensor][detector]
        return pd_at(counts, threshold_at(counts, pfa), snr)

    def peers(self) -> list[str]:
        """Detectors that are not ours."""
        return [name for name in self.clips if name not in (OURS, OURS_MULTI)]

    def kept_share(self, pfa: float) -> float:
        """Part of all ways to halve the clips in which a threshold's Pfa holds within the factor."""
        ratios = transfer(self.clips[OURS], pfa)
        return float(((ratios < TRANSFER) & (ratios > 1 / TRANSFER)).mean())

    def clip_floors(self) -> list[Floor]:
        """What the chain is held to on the clips, whatever its peers do."""
        floors = [
            Floor(f"Pd on the clips at {pfa:g}", self.clips_pd(OURS, pfa), ">=", bound)
            for pfa, bound in CLIP_FLOORS.items()
        ]
        return floors + [
            Floor(
                f"share of halves of the clips that keep {pfa:g} within 3", self.kept_share(pfa), ">=", TRANSFER_SHARE
            )
            for pfa in RATES[1:]
        ]

    def floors(self) -> list[Floor]:
        """All that the chain is held to."""
        floors = self.clip_floors()
        floors += [
            Floor(f"Pd on the clips at {pfa:g}, beside {peer}", self.clips_pd(OURS, pfa), ">", self.clips_pd(peer, pfa))
            for peer in self.peers()
            for pfa in CLIP_FLOORS
        ]
        regular = next(iter(self.orbital))
        floors += [
            Floor(f"orbital, SNR {snr:g}, {who}, at 1e-05", self.orbital_pd(regular, who, 1e-5, snr), ">=", bound)
            for who, snr, bound in ORBITAL_FLOORS
        ]
        floors += [
            Floor(
                f"orbital, SNR 6, at 1e-05, beside {peer}",
                self.orbital_pd(regular, OURS, 1e-5, 6.0), ">", self.orbital_pd(regular, peer, 1e-5, 6.0),
            )
            for peer in self.peers()
        ]  # fmt: skip
        return floors
