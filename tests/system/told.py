# SPDX-License-Identifier: MIT
"""What a master tells of itself and its fleet: events, and the findings of its diagnosis."""
import datetime


def events(w, kind=None, agent=None):
    """The newest thousand, in order."""
    more = "".join(f"&{key}={value}" for key, value in (("kind", kind), ("agent", agent)) if value)
    return w.api.must("GET", "events?limit=1000" + more).json["events"]


def seconds(stamp):
    """RFC 3339 as seconds since 1970."""
    return datetime.datetime.fromisoformat(stamp.replace("Z", "+00:00")).timestamp()


def at(event):
    return seconds(event["at"])


def findings(w):
    """All of them, by the name of the check."""
    return {f["check"]: f for f in w.api.must("GET", "diagnosis").json["findings"]}


def finding(w, check):
    return findings(w)[check]


def item(w, check, name):
    """What that check says of that agent or batch, or None."""
    return next((i for i in finding(w, check)["items"] if i["name"] == name), None)
