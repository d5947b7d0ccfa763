"""Standard outputs: tracks in the formats that other people's displays and systems read."""
