"""What we already know: keys, entries, the tier protocol, the walk over the tiers. Pure."""
