"""Doing it: clock, upstream connections, the driver, settings and keys. The only rooms with clocks and sockets."""
