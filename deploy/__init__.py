"""Scripts that build, check and ship."""
