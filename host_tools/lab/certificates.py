"""Certificates for the lab ACS: two CAs, and what the first one has signed. Made by openssl."""

import datetime
import ssl
import subprocess
from pathlib import Path

NAME = "localhost"  # certificates are for names; MicroPython checks no address


class Certificates:
    """Files in `folder`: ca.pem, other.pem (another CA), key and certificate of each server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("ca", "other"):
            self._run(
                "req", "-x509", *self._new_key(name), "-subj", f"/CN=lab {name}",
                "-days", "3650", "-out", f"{name}.pem",
            )  # fmt: skip

    def _run(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True)

    @staticmethod
    def _new_key(name: str) -> list[str]:
        return [
            "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
            "-keyout", f"{name}.key",
        ]  # fmt: skip

    def server(
        self, name: str, host: str = NAME, days: tuple[int, int] = (-1, 30)
    ) -> ssl.SSLContext:
        """Return the context of a server whose certificate is for `host`, signed by ca.pem, and
        good from the first to the second of `days` from now.
        """
        self._run(
            "req", *self._new_key(name), "-subj", f"/CN={host}",
            "-addext", f"subjectAltName=DNS:{host}", "-out", f"{name}.csr",
        )  # fmt: skip
        now = datetime.datetime.now(datetime.UTC)
        (self.folder / f"{name}.index").write_text("")
        (self.folder / f"{name}.cnf").write_text(
            "[ca]\ndefault_ca=lab\n[lab]\n"
            f"database={name}.index\nnew_certs_dir=.\ncertificate=ca.pem\nprivate_key=ca.key\n"
            "default_md=sha256\npolicy=any\nrand_serial=yes\ncopy_extensions=copy\n"
            "[any]\ncommonName=supplied\n"
        )
        start, end = (f"{now + datetime.timedelta(days=day):%Y%m%d%H%M%SZ}" for day in days)
        self._run(
            "ca", "-batch", "-config", f"{name}.cnf", "-in", f"{name}.csr", "-out", f"{name}.pem",
            "-startdate", start, "-enddate", end, "-notext",
        )  # fmt: skip
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        return context

    def own(self, name: str) -> tuple[Path, Path]:
        """Certificate and key of a server that vouches for itself."""
        self._run(
            "req", "-x509", *self._new_key(name), "-subj", f"/CN={NAME}",
            "-addext", f"subjectAltName=DNS:{NAME}", "-days", "30", "-out", f"{name}.pem",
        )  # fmt: skip
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"
