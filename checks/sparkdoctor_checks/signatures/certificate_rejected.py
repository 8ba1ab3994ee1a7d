"""Certificates of servers."""

from sparkdoctor.plugin import Found, Verdict, fail, signature

_CLOCK = ("not yet valid", "expired", "is not valid yet")


@signature(
    "certificate verify failed: {why}",
    "SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed",
    "x509: certificate {why}",
    "SSL certificate problem: {why}",
    "server certificate verification failed",
    "Certificate verification failed: The certificate is NOT trusted",
    "invalid peer certificate: {why}",
    "cannot verify {host}'s certificate, issued by",
    "Release file for {file:path} is not valid yet",
)
def certificate_rejected(found: Found) -> Verdict:
    """A server's certificate was not trusted.

    A company's proxy signs the traffic with a certificate that this system or container does not know; or the clock is wrong,
    and every certificate seems expired or not yet valid. To switch the verification off is no cure.

    Sources:
    - OpenSSL, X509_verify_cert_error_string; Go, crypto/x509; rustls (uv); apt's https method
    """
    if any(words in found.line for words in _CLOCK):
        return fail(
            "a server's certificate or list seems out of date: this machine's clock may be wrong",
            remedy="Set the clock, and try again.",
            command="timedatectl; sudo timedatectl set-ntp true",
            needs_root=True,
        )
    return fail(
        "a server's certificate is not trusted here, as a rule because a proxy signs the traffic anew",
        remedy="Add the proxy's certificate to this system's (or image's) in /usr/local/share/ca-certificates, then:",
        command="sudo update-ca-certificates",
        needs_root=True,
    )
