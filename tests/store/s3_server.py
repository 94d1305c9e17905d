"""A real S3 server on loopback: moto's, on a thread of its own, with a bucket."""

import contextlib
import logging
from collections.abc import Iterator

import pytest

BUCKET = "answers"


class S3Server:
    """What is needed to reach it."""

    def __init__(self, port: int) -> None:
        self.port = port

    def url(self, prefix: str, *, port: int | None = None, bucket: str = BUCKET) -> str:
        """A place in it as an operator writes it; by another port where something stands between."""
        endpoint = f"http://127.0.0.1:{port or self.port}"
        return f"s3://{bucket}/{prefix}?endpoint={endpoint}&region=us-east-1&access_key_id=me&secret_access_key=hush"


@contextlib.contextmanager
def s3_server() -> Iterator[S3Server]:
    """A server that runs; skips the test, with the reason, where moto is not installed."""
    try:
        import boto3  # type: ignore[import-untyped]
        from moto.server import ThreadedMotoServer
    except ImportError:
        pytest.skip("no S3 server here: moto is not installed")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        _, port = server.get_host_and_port()
        session = boto3.session.Session("me", "hush", region_name="us-east-1")
        session.client("s3", endpoint_url=f"http://127.0.0.1:{port}").create_bucket(Bucket=BUCKET)
        yield S3Server(port)
    finally:
        server.stop()
