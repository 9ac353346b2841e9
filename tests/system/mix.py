# SPDX-License-Identifier: MIT
"""Targets of many kinds, each with the cause that its result must have."""


def kinds(t):
    """(share of a hundred, target made from a host name, cause or None); t: the ports of target_server."""
    http, refused, tarpit = t["http"], t["refused"], t["tarpit"]

    def web(path, port=http, scheme="http", **more):
        return lambda h: {"url": f"{scheme}://{h}.ok.test:{port}{path}", **more}

    def dns(name, kind):
        return lambda h: {"dns": f"dns:{name.format(h)}?type={kind}"}

    return [
        (48, web("/ok"), None),
        (6, web("/redirect/2"), None),
        (4, web("/big/20000"), None),
        (4, web("/ok", t["https"], "https"), None),
        (6, web("/status/404"), "http_4xx"),
        (3, web("/status/503"), "http_5xx"),
        (5, web("/ok", refused), "connect_refused"),
        (2, web("/reset"), "reset_after_connect"),
        (2, web("/empty"), "empty_reply"),
        (1, web("/ok", t["https_expired"], "https"), "tls_expired"),
        (1, web("/ok", t["https_wrong_name"], "https"), "tls_name_mismatch"),
        (1, web("/ok", tarpit, timeout_ms=2000), "response_timeout"),
        (1, web("/slow/300"), None),
        (8, dns("{}.ok.test", "A"), None),
        (3, dns("{}.ok.test", "MX"), None),
        (3, dns("nx.{}.test", "A"), "dns_nxdomain"),
        (2, lambda h: {"url": f"http://nx.{h}.test:{http}/ok"}, "dns_nxdomain"),
    ]


def targets(t, count):
    """Targets in a mixed order, and the causes by user_id. Hosts are distinct, so per_host does not slow them."""
    plan = [(make, cause) for share, make, cause in kinds(t) for _ in range(share)]
    found, causes = [], {}
    for i in range(count):
        # 37 and the length have no common factor: each round of the plan uses each entry once, well shuffled.
        make, cause = plan[i * 37 % len(plan)]
        target = make(f"h{i}")
        target["user_id"] = f"row-{i}"
        causes[target["user_id"]] = cause
        found.append(target)
    return found, causes


def wrong_causes(results, causes):
    """Results that do not have the cause that their target must have."""
    return [
        (r["target"], r["agent"], r["cause"], r["message"], "wanted", causes[r["user_id"]])
        for r in results
        if r["cause"] != causes[r["user_id"]]
    ]
