"""All that crosses a process boundary: message types, packets, the link, recordings and the clock."""
