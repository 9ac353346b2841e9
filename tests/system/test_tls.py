# SPDX-License-Identifier: MIT
"""TLS that is ill in one way each: every reason has its own cause, and its message says where to look."""
from harness import equal, expect, short
from ills import judge


def table(t):
    def at(port, path="/ok", **more):
        return {"url": f"https://c.ok.test:{t[port]}{path}", "timeout_ms": 8000, **more}

    return [
        ("tls_weak", "a signature of SHA-1", at("tls_sha1")),
        ("tls_weak", "an RSA key of 1024 bits", at("tls_rsa1024")),
        ("tls_weak", "an RSA key of 512 bits", at("tls_rsa512")),
        (None, "a weak key with verify_tls off", at("tls_rsa1024", verify_tls=False)),
        ("tls_version", "TLS 1.0 alone", at("tls_10")),
        ("tls_version", "TLS 1.1 alone", at("tls_11")),
        ("tls_version", "TLS 1.0 alone with verify_tls off", at("tls_10", verify_tls=False)),
        (None, "TLS 1.2 alone", at("tls_12")),
        ("tls_handshake", "no cipher in common", at("tls_no_cipher")),
        (None, "an intermediate that is sent", at("tls_middle_sent")),
        ("tls_untrusted", "an intermediate that is not sent", at("tls_middle_missing")),
        ("tls_expired", "an intermediate that has expired", at("tls_middle_expired")),
        ("tls_bad_chain", "an intermediate that is no authority", at("tls_middle_is_none")),
        ("tls_bad_chain", "an authority for other names only", at("tls_middle_constrained")),
        ("tls_untrusted", "an unknown authority that is sent too", at("tls_foreign")),
        ("tls_untrusted", "a forged signature", at("tls_forged")),
        ("tls_self_signed", "a certificate that signed itself", at("https_self_signed")),
        ("tls_wrong_purpose", "a certificate for clients", at("tls_for_clients")),
        (None, "a chain of 100 certificates", at("tls_long_chain")),
        ("tls_handshake", "more certificates than anyone reads", at("tls_huge")),
        ("tls_handshake", "a client certificate is insisted on", at("tls_asks_for_client")),
        (None, "a revoked certificate: revocation is told and not judged", at("tls_revoked")),
        ("tls_timeout", "silence behind the ServerHello", at("tls_cut_hello", timeout_ms=1000)),
        ("body_timeout", "silence in the middle of a record", at("tls_cut_record", "/big/200000", timeout_ms=1000)),
        (None, "one renegotiation", at("tls_12", "/ill/renegotiate-once")),
        ("tls_handshake", "renegotiation without end", at("tls_12", "/ill/renegotiate")),
    ]


WORDS = [
    ("a signature of SHA-1", "CA signature digest algorithm too weak"),
    ("an RSA key of 1024 bits", "EE certificate key too weak"),
    ("an intermediate that is not sent", "unable to get local issuer certificate: CN=middle authority"),
    ("an intermediate that has expired", "certificate has expired: CN=stale authority"),
    ("an intermediate that is no authority", "invalid CA certificate: CN=no authority"),
    ("an authority for other names only", "permitted subtree violation"),
    ("an unknown authority that is sent too", "self-signed certificate in certificate chain: CN=foreign authority"),
    ("a forged signature", "certificate signature failure"),
    ("a certificate that signed itself", "self-signed certificate"),
    ("a certificate for clients", "unsuitable certificate purpose"),
]


@short
def test_every_reason(w):
    w.fleet(agents=("a1",))
    results = judge(w, table(w.targets))
    for case, words in WORDS:
        with w.case(f"words: {case}"):
            expect(words in results[case]["message"], results[case]["message"])
            equal(results[case]["http"]["tls"]["verified"], False, "verified")
            expect(words in results[case]["http"]["tls"]["verify_error"], results[case]["http"]["tls"])
    with w.case("words: no version, no cipher, a client certificate"):
        for case, words in [("TLS 1.0 alone", "version"), ("no cipher in common", "handshake failure"),
                            ("a client certificate is insisted on", "certificate required")]:
            expect(words in results[case]["message"], results[case]["message"])
    with w.case("a weak key that is not verified is told all the same"):
        tls = results["a weak key with verify_tls off"]["http"]["tls"]
        equal((tls["verified"], tls["key_bits"]), (False, 1024), "verified, key_bits")
        expect("too weak" in tls["verify_error"], tls)
    with w.case("a long chain is counted, and cut"):
        tls = results["a chain of 100 certificates"]["http"]["tls"]
        equal((tls["chain_length"], len(tls["chain"]), tls["verified"]), (100, 10, True), "length, kept, verified")
    with w.case("a stapled answer is told"):
        equal(results["a revoked certificate: revocation is told and not judged"]["http"]["tls"]["ocsp_stapled"], True, "stapled")
    with w.case("time-outs are kept"):
        for case in ("silence behind the ServerHello", "silence in the middle of a record"):
            total = results[case]["timings"]["total_ms"]
            # The time-out's clock begins a moment before that of the phases, and the process may be preempted between.
            expect(950 <= total <= 1000 + 300 * w.slower, case, total)
    with w.case("renegotiation without end costs little"):
        total = results["renegotiation without end"]["timings"]["total_ms"]
        expect(total < 1000 * w.slower, total)
