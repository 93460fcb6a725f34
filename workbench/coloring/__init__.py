"""A picture in, the same picture in colour out; hints, maps and grids of it."""
