"""A store behind TLS, with an authority of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from pydantic import SecretStr

from binocular import embedded
from binocular.errors import StoreRefusedError, StoreUnavailableError
from tests.servers import SeaweedFS


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """A store that speaks https, and the settings a person would write for it."""
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(folder / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    server = SeaweedFS(folder, f"-s3.cert.file={folder}/cert.pem", f"-s3.key.file={folder}/key.pem")
    keys = embedded.credentials(server.settings)
    server.settings = server.settings.model_copy(
        update={
            "store_url": f"https://127.0.0.1:{server.settings.store_port}",
            "store_access_key": SecretStr(keys.access_key),
            "store_secret_key": SecretStr(keys.secret_key),
            "store_ca_file": folder / "ca.pem",
        }
    )
    server.start()
    yield server
    server.stop()


def test_the_authority_named_by_the_setting_is_trusted(server: SeaweedFS, tmp_path: Path) -> None:
    store = server.store()
    (tmp_path / "big").write_bytes(b"0123456789abcdef" * (1 << 20))

    store.put_file("big", tmp_path / "big")
    store.get_file("big", tmp_path / "back")

    assert (tmp_path / "back").read_bytes() == (tmp_path / "big").read_bytes()
    assert [store.create("once", b"x"), store.create("once", b"y")] == [True, False]


def test_an_unknown_authority_is_refused_and_the_setting_named(server: SeaweedFS) -> None:
    with pytest.raises(StoreRefusedError, match="BINOCULAR_STORE_CA_FILE"):
        server.store(store_ca_file=None).put("x", b"")


def test_plain_http_to_a_tls_port_is_one_clear_error(server: SeaweedFS) -> None:
    url = server.settings.store_url.replace("https://", "http://")
    with pytest.raises((StoreRefusedError, StoreUnavailableError), match="BINOCULAR_STORE_URL"):
        server.store(store_url=url, store_timeout_s=1, store_deadline_s=2).put("x", b"")
