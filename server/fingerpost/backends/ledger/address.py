"""Address: the URL of a PostgreSQL database, and what of it may be shown."""

from dataclasses import dataclass, field

from psycopg import Error
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from fingerpost.errors import FieldViolation, InvalidRequest

_SCHEMES = ("postgresql://", "postgres://")
_DRIVER = "postgresql+psycopg://"

_DEFAULTS = {
    "application_name": "fingerpost",
    "connect_timeout": "2",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "5000",
}
"""What the URL may say otherwise. A machine that is gone without a word is given up after about 10 s."""


@dataclass(frozen=True, slots=True)
class Address:
    """How to reach a database; its `repr` shows no secret."""

    shown: str  # hosts and name
    _parts: dict[str, str] = field(repr=False)

    def conninfo(self, **settings: int) -> str:
        """For libpq, with settings of the session beside those that the URL gives."""
        options = " ".join(
            [self._parts.get("options", ""), *(f"-c {name}={value}" for name, value in settings.items())]
        )
        # A standby cannot be written: with several hosts in the URL, the next one is asked.
        return make_conninfo(**{**_DEFAULTS, **self._parts, "target_session_attrs": "read-write", "options": options})

    def without_secret(self, words: str) -> str:
        """The words of a driver or database, without the password that they may repeat."""
        secret = self._parts.get("password")
        return words.replace(secret, "***") if secret else words


def parse(url: str) -> Address:
    """Read a URL as libpq does, several hosts and parameters included.

    Raises:
        InvalidRequest: it is none; the message repeats nothing of it.
    """
    if url.startswith(_DRIVER):
        url = _SCHEMES[0] + url.removeprefix(_DRIVER)
    try:
        parts = {name: str(value) for name, value in conninfo_to_dict(url).items()} if url.startswith(_SCHEMES) else {}
    except Error:
        parts = {}
    # With a password that was not percent-encoded the parts are not what they seem: none of them may be shown.
    astray = any("@" in parts.get(name, "") for name in ("host", "hostaddr", "port", "dbname"))
    if not url.startswith(_SCHEMES) or (not parts and url not in _SCHEMES) or astray:
        description = (
            "not the URL of a PostgreSQL database: write postgresql://USER:PASSWORD@HOST:PORT/NAME, and "
            "in the password percent-encode what is no letter or digit"
        )
        raise InvalidRequest(f"store: {description}", fields=[FieldViolation("store", description)]) from None
    host = parts.get("host") or parts.get("hostaddr") or "localhost"
    return Address(f"{host}/{parts.get('dbname', '')}", parts)
