"""The HTTP doors: who may come in, what they may ask, and what they get back."""
