"""Bytes to domain and back: chat bodies, replies, streams, limit headers and the error grammar. Pure, incremental."""
