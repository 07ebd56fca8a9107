"""The CA that a device checks its ACS with: any file that people have, as the DER that a chip
reads.
"""

import re
import ssl
from pathlib import Path

from host_tools.errors import UserError

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


def read_ca(path: Path) -> bytes:
    """Return the one certificate in a PEM or DER file as DER; raises `UserError`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read the CA {path}: {error.strerror}") from None
    found = _PEM.findall(content)
    if len(found) > 1:
        raise UserError(f"{path} holds {len(found)} certificates: the CA alone is wanted")
    try:
        der = ssl.PEM_cert_to_DER_cert(found[0].decode()) if found else content
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=der)
    except (ssl.SSLError, ValueError):
        raise UserError(f"{path} is no certificate in PEM or DER") from None
    return der
