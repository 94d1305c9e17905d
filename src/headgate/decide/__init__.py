"""What to do next: machine, remedy table, routing, fitting and what is learned. Pure: no clock, no I/O, no logs."""
