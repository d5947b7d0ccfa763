"""The bundle for a board: wheels built for aarch64, tried under emulation, packed with installer and signature."""
