"""What can be answered without any model: checking, mending, and the labelled last word. Pure."""
