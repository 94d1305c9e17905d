"""The words of Headgate as frozen types. Knows nothing but the standard library and msgspec."""
