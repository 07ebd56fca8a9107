"""The TLS context for https to the ACS. Loaded when somebody wants one (B23)."""

import gc
import ssl


def make_context(agent):
    """Return the SSLContext that section `acs` of the site asks for. ValueError says why there is
    none.
    """
    acs = agent.site["acs"]
    gc.collect()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not acs["tls_verify"]:
        context.verify_mode = ssl.CERT_NONE
        text = "TLS NOT VERIFIED: anybody can pose as the ACS (acs.tls_verify = false)"
        agent.log("W", "session", text)
        return context
    context.verify_mode = ssl.CERT_REQUIRED
    if not acs["ca"]:
        raise ValueError("no CA to check the ACS with: set acs.ca")
    if agent.port.unix_time() is None:
        raise ValueError("clock not set: no certificate can be checked; set time.ntp_server")
    try:
        with open(acs["ca"], "rb") as file:
            context.load_verify_locations(cadata=file.read())
    except OSError:
        raise ValueError("cannot read the CA in {}".format(acs["ca"]))
    except ValueError:
        raise ValueError("no certificate in {}".format(acs["ca"]))
    return context
