"""Objects in a bucket of any store that speaks the S3 protocol.

Credentials and region are those of the usual variables: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN,
AWS_REGION, or an instance's role.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import IO, TYPE_CHECKING, BinaryIO, Final, cast

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store as Bucket

from registry.errors import StoreError
from registry.files.objects import Listed

if TYPE_CHECKING:
    from obstore.store import S3Config

#: Ciphertext of larger objects waits on disk, not in memory.
_IN_MEMORY_BYTES: Final = 8 << 20
_CONNECT: Final = timedelta(seconds=5)
#: For one request, an object of 64 MB included.
_ANSWER: Final = timedelta(seconds=60)
_RETRY_FOR: Final = timedelta(seconds=20)
_RETRIES: Final = 3


class S3Store:
    """Objects under a prefix of one bucket, each written by a single conditional PUT: whole or not at all."""

    def __init__(
        self,
        bucket: str,
        prefix: str,
        endpoint: str | None = None,
        *,
        answer_within: timedelta = _ANSWER,
        retry_for: timedelta = _RETRY_FOR,
    ) -> None:
        """endpoint: the store's http(s) address where it is not Amazon's. Raises StoreError."""
        config: S3Config = {"virtual_hosted_style_request": False}
        if endpoint is not None:
            config["endpoint"] = endpoint
        with _refusals():
            self._bucket = Bucket(
                bucket, prefix=prefix or None, config=config,
                client_options={
                    "allow_http": True, "connect_timeout": _CONNECT, "timeout": answer_within,
                    "user_agent": "suizheng",
                },
                retry_config={"max_retries": _RETRIES, "retry_timeout": retry_for},
            )  # fmt: skip

    def put(self, name: str, pieces: Iterable[bytes]) -> None:
        """As ObjectStore.put: nothing is sent before the last piece is here."""
        with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY_BYTES) as spool:
            for piece in pieces:
                spool.write(piece)
            spool.seek(0)
            with _refusals():
                obstore.put(self._bucket, name, cast(IO[bytes], spool), mode="create", use_multipart=False)

    def get(self, name: str) -> BinaryIO:
        """As ObjectStore.get. The whole object is fetched first: a broken connection is not taken for damage."""
        with _refusals():
            return io.BytesIO(obstore.get(self._bucket, name).bytes())

    def size(self, name: str) -> int | None:
        """As ObjectStore.size."""
        try:
            with _refusals():
                return obstore.head(self._bucket, name)["size"]
        except FileNotFoundError:
            return None

    def delete(self, name: str) -> None:
        """As ObjectStore.delete."""
        try:
            with _refusals():
                obstore.delete(self._bucket, name)
        except FileNotFoundError:
            return

    def list(self) -> Iterator[Listed]:
        """As ObjectStore.list."""
        with _refusals():
            for page in obstore.list(self._bucket):
                for one in page:
                    yield Listed(one["path"], one["size"], one["last_modified"])


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except AlreadyExistsError as taken:
        raise StoreError("object_exists", "文件库中已有同名对象，请重试。") from taken
    except (PermissionDeniedError, UnauthenticatedError) as refused:
        message = "文件库（S3）拒绝了访问，请管理员核对存储桶、AWS_ACCESS_KEY_ID 与 AWS_SECRET_ACCESS_KEY。"
        raise StoreError("store_refused", message) from refused
    except (BaseError, OSError, ValueError) as away:
        message = "文件库（S3）没有应答或出错，本次没有登记任何内容，请稍后重试；持续出现请联系管理员。"
        raise StoreError("store_unavailable", message) from away
