"""A pretend Groq: exact limits, true shapes, every error and fault, in virtual time or over HTTP."""
