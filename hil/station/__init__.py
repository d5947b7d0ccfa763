"""The test station: one board under test, or what stands in for it, driven frame by frame, broken and measured."""
