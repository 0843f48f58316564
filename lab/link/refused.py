"""What the API refuses, with Toxiproxy's statuses and words."""

from __future__ import annotations


class Refused(Exception):
    """Answered as ``{"error": message, "status": status}``."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def bad_body(why: object) -> Refused:
    return Refused(400, f"bad request body: {why}")


def missing(field: str) -> Refused:
    return Refused(400, f"missing required field: {field}")


def no_proxy() -> Refused:
    return Refused(404, "proxy not found")


def proxy_exists() -> Refused:
    return Refused(409, "proxy already exists")


def no_toxic() -> Refused:
    return Refused(404, "toxic not found")


def toxic_exists() -> Refused:
    return Refused(409, "toxic already exists")


def no_such_type() -> Refused:
    return Refused(400, "invalid toxic type")


def no_such_stream() -> Refused:
    return Refused(400, "stream was invalid, can be either upstream or downstream")
