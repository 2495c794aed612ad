"""Notices as e-mails, over one server that the settings name; with TLS unless they allow a connection without."""

from __future__ import annotations

import smtplib
import ssl
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path
from uuid import UUID

from plant.errors import Rejected, Unavailable
from plant.notices import Mail


def send_mail(mail: Mail, to: tuple[str, ...], notice: UUID, subject: str, text: str, now_us: int, *, html: str = "") -> None:
    """Hand a notice to the mail server for all of ``to``; its Message-ID is the same at each attempt.

    ``html``: the same to be read in colour and printed, where there is more to it than text.
    Raises Unavailable for what may go well later, Rejected where the server refuses it, or some of the addresses, for good.
    """
    message = EmailMessage()
    message["From"] = mail.sender
    message["To"] = ", ".join(to)
    message["Subject"] = " ".join(subject.split())[:200]
    message["Date"] = format_datetime(datetime.fromtimestamp(now_us / 1e6, UTC))
    message["Message-ID"] = f"<{notice}@{mail.sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Leadhand-Notice"] = str(notice)
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    try:
        with _connected(mail) as server:
            if mail.username is not None:
                server.login(mail.username, _password(mail.password_file))
            refused = server.send_message(message, mail.sender, list(to))
    except smtplib.SMTPRecipientsRefused as error:
        raise _refusal(mail, error.recipients) from None
    except smtplib.SMTPResponseException as error:
        words = f"{mail.host} says {error.smtp_code} {_said(error.smtp_error)}"
        # A refused login is mended by a person, who then need not send anything again by hand.
        if error.smtp_code >= 500 and not isinstance(error, smtplib.SMTPAuthenticationError):
            raise Rejected(words) from None
        raise Unavailable(words) from None
    except ssl.SSLCertVerificationError as error:
        raise Unavailable(f"the certificate of {mail.host} is not trusted: {error.verify_message}") from error
    except (OSError, smtplib.SMTPException) as error:
        raise Unavailable(f"{mail.host} does not take it: {str(error) or type(error).__name__}") from error
    if refused:
        raise Rejected(str(_refusal(mail, refused)))


def _connected(mail: Mail) -> smtplib.SMTP:
    context = ssl.create_default_context(cafile=None if mail.ca_file is None else str(mail.ca_file))
    if mail.security == "tls":
        return smtplib.SMTP_SSL(mail.host, mail.port, timeout=mail.timeout_seconds, context=context)
    server = smtplib.SMTP(mail.host, mail.port, timeout=mail.timeout_seconds)
    if mail.security == "starttls":
        try:
            server.starttls(context=context)
        except BaseException:
            server.close()
            raise
    return server


def _password(path: Path | None) -> str:
    assert path is not None  # noqa: S101 - settings give both or neither
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Unavailable(f"the password file {path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _refusal(mail: Mail, refused: dict[str, tuple[int, bytes]]) -> Rejected | Unavailable:
    words = f"{mail.host} refuses " + "; ".join(f"{address}: {code} {_said(said)}" for address, (code, said) in refused.items())
    return Rejected(words) if any(code >= 500 for code, _ in refused.values()) else Unavailable(words)


def _said(words: bytes | str) -> str:
    return (words.decode("utf-8", "replace") if isinstance(words, bytes) else words)[:200]
