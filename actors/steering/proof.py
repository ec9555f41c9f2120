"""Whether a request is its principal's: by its signature, or by the word of the uplink."""

from pathlib import Path

from actors.steering.policy import Reason, Refusal
from actors.steering.settings import Settings
from transports.errors import NotUnderstood
from transports.requests.envelope import Opened


def unproven(said: Opened, may: Settings) -> Refusal | None:
    """Why it cannot be believed, None when it can. A key in a file is read each time: it may have been replaced."""
    if may.trust:
        why = "this principal has no key here, so a signature means nothing; send it unsigned"
        return None if said.signature is None else Refusal(Reason.SIGNATURE, why)
    if said.signature is None:
        return Refusal(Reason.UNSIGNED, "this principal has a key, so each of its requests must be signed")
    from transports.requests.signing import fits, public_key  # cryptography with it, which others do without

    try:
        key = public_key(may.key or _key_in_file(may))
    except NotUnderstood as wrong:
        return Refusal(Reason.SIGNATURE, f"its key here {wrong}")
    except (OSError, UnicodeDecodeError) as wrong:  # where the file lies is nothing for strangers
        why = str(wrong.strerror) if isinstance(wrong, OSError) else "it is no text"
        return Refusal(Reason.SIGNATURE, f"its key_file cannot be read here ({why})")
    if not fits(key, said.text, said.signature):
        return Refusal(Reason.SIGNATURE, "the signature does not fit: another key, or the text was changed")
    return None


def _key_in_file(may: Settings) -> str:
    return Path(may.key_file).expanduser().read_text()
