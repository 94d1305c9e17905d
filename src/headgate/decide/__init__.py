"""What to do next: the machine, the remedy table, routing, fitting and what is learned. Pure: no clock, no I/O, no logs."""
