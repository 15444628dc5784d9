"""A real S3 server for tests: moto's, in a process of its own, with a bucket per test.

    def test_x(bucket): ...              bucket.url is what PROFFER_OBJECT_STORE takes

It speaks S3 over HTTP, conditional writes included; objects live in its memory.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import httpx
import pytest

from tests.support.parts import ROOT
from tests.support.processes import free_port

START_S = 60.0
REGION = "us-east-1"


class S3Server:
    """moto's server, in a process of its own."""

    def __init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environ = {
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self._numbers = count(1)
        command = [sys.executable, "-m", "tests.support.s3_server", str(self.port)]
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._wait()
        self.client = self._client()

    def _client(self) -> Any:
        import boto3  # here: what few tests need is not loaded for all
        from botocore.config import Config

        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            config=Config(retries={"total_max_attempts": 1}),
            **keys,
        )

    def _wait(self) -> None:
        deadline_s = time.monotonic() + START_S
        while True:
            try:
                httpx.get(f"{self.url}/moto-api/", timeout=5)
                return
            except httpx.TransportError:
                if self._process.poll() is not None or time.monotonic() > deadline_s:
                    raise
                time.sleep(0.05)

    def bucket(self) -> Bucket:
        name = f"bucket-{next(self._numbers)}"
        self.client.create_bucket(Bucket=name)
        return Bucket(self, name)

    def close(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()


class Bucket:
    """One bucket, as its owner sees it."""

    def __init__(self, server: S3Server, name: str) -> None:
        self.server = server
        self.name = name
        self.url = f"s3://{name}"

    def get(self, key: str) -> bytes | None:
        try:
            return self.server.client.get_object(Bucket=self.name, Key=key)["Body"].read()
        except self.server.client.exceptions.NoSuchKey:
            return None

    def put(self, key: str, data: bytes) -> None:
        """Past every condition, as somebody who broke in would."""
        self.server.client.put_object(Bucket=self.name, Key=key, Body=data)

    def names(self) -> list[str]:
        found = self.server.client.list_objects_v2(Bucket=self.name)
        return [entry["Key"] for entry in found.get("Contents", [])]

    def open_to_all(self) -> None:
        """Anybody may read, as through a CDN."""
        statement = {
            "Effect": "Allow",
            "Principal": "*",
            "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{self.name}/*",
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.server.client.put_bucket_policy(Bucket=self.name, Policy=policy)

    def remove(self) -> None:
        """The bucket is gone: every request fails."""
        client = self.server.client
        while True:
            for key in self.names():
                client.delete_object(Bucket=self.name, Key=key)
            try:
                client.delete_bucket(Bucket=self.name)
                return
            except client.exceptions.ClientError as error:
                # somebody who still publishes has written in between
                if error.response["Error"]["Code"] != "BucketNotEmpty":
                    raise


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    server = S3Server()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def bucket(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """An empty bucket; boto3's variables lead to it."""
    for name, value in s3_server.environ.items():
        monkeypatch.setenv(name, value)
    for name in set(os.environ) & {"AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"}:
        monkeypatch.delenv(name)
    return s3_server.bucket()
