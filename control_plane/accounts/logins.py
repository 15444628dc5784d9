"""Logging in, and everything else that a password is looked at for.

    1  the attempt is counted, or refused because too many failed before (`throttle.py`)
    2  the password is compared, as slowly for a name that nobody has (`passwords.py`)
    3  one job of the writer forgives the attempt and opens a session (`sessions.py`)

Between 2 and 3 the account may have been disabled or got another password: 3 looks again.
What is wrong is not told: name, password, disabled and not yet set up answer alike.
Methods block.
"""

from __future__ import annotations

from sqlalchemy import Connection

from control_plane.accounts import sessions, setup, users
from control_plane.accounts.actor import Actor, Role
from control_plane.accounts.passwords import Passwords, check_good
from control_plane.accounts.sessions import Opened
from control_plane.accounts.setup import FIRST, SetupLink
from control_plane.accounts.throttle import Throttle
from control_plane.accounts.users import User
from control_plane.audit.log import Entry, append
from control_plane.errors import Refused
from control_plane.settings import Settings
from control_plane.storage.database import Database
from control_plane.storage.writer import Writer

CHALLENGE = {"WWW-Authenticate": "Bearer"}
FIRST_ROLES: tuple[Role, ...] = ("admin",)


class Logins:
    """Logins of one shop; `secret` keys the throttle's buckets."""

    def __init__(
        self, settings: Settings, database: Database, writer: Writer, secret: bytes
    ) -> None:
        self._settings, self._tenant = settings, settings.tenant
        self._database, self._writer = database, writer
        self._passwords = Passwords(settings.argon2_passes, settings.argon2_memory_kib)
        self._throttle = Throttle(settings.tenant, secret)

    def log_in(self, name: str, password: str, address: str) -> Opened:
        """A new session.  Raises `Refused` wrong-login, too-many-logins or busy."""
        self._writer.run(lambda connection: self._throttle.count(connection, address, name))
        with self._database.reading() as connection:
            user = users.by_name(connection, self._tenant, name)
            stored = self._stored(connection, user)
        if not self._passwords.is_right(stored, password) or user is None:
            raise _wrong()
        fresh = self._passwords.hashed(password) if self._passwords.is_outdated(stored) else stored

        def job(connection: Connection) -> Opened:
            self._check_same(connection, user, stored)
            self._throttle.forgive(connection, address, name)
            if fresh != stored:
                users.update_user(connection, self._tenant, user, password=fresh)
            return self._open(connection, user.actor)

        return self._writer.run(job)

    def change_password(self, actor: Actor, old: str, new: str, session: str, address: str) -> None:
        """One's own; ends one's other sessions.

        Raises `Refused` wrong-login, weak-password, too-many-logins or busy.
        """
        user = self._user_of(actor)
        check_good(new, user.name)
        self._writer.run(lambda connection: self._throttle.count(connection, address, user.name))
        with self._database.reading() as connection:
            stored = self._stored(connection, user)
        if not self._passwords.is_right(stored, old):
            raise Refused("wrong-login", "the present password is another one", headers=CHALLENGE)
        hashed = self._passwords.hashed(new)

        def job(connection: Connection) -> None:
            self._check_same(connection, user, stored)
            self._throttle.forgive(connection, address, user.name)
            self._set_password(connection, actor, user, hashed, keep=session)

        self._writer.run(job)

    # --- setup links ----------------------------------------------------------

    def first_link(self) -> SetupLink | None:
        """The link that makes the first admin; None where there are accounts already."""

        def job(connection: Connection) -> SetupLink | None:
            if not users.is_nobody_there(connection, self._tenant):
                return None
            return self._new_link(connection, FIRST)

        return self._writer.run(job)

    def new_link(self, by: Actor, user: str) -> SetupLink:
        """A link with which a user sets a (new) password.

        Raises `Refused` not-found, not-permitted or account-disabled.
        """

        def job(connection: Connection) -> SetupLink:
            known = users.found(connection, self._tenant, user)
            users.check_may_give(by, known.permissions)
            if known.disabled:
                raise Refused("account-disabled", f"{known.name} could not log in")
            self._audit(connection, by, "account.link", f"user/{user}")
            return self._new_link(connection, user)

        return self._writer.run(job)

    def looked_at(self, token: str) -> str:
        """The name that the link is for, "" for the first admin's, who chooses one.

        Uses nothing up.  Raises `Refused` setup-link-spent.
        """
        with self._database.reading() as connection:
            user = setup.user_of(connection, self._tenant, token)
            return users.found(connection, self._tenant, user).name if user != FIRST else ""

    def set_up(self, token: str, name: str, password: str) -> Opened:
        """Use a link: set the password, and log in.  `name` counts in the first admin's only.

        Raises `Refused` setup-link-spent, malformed-request or weak-password; after the last
        two the link stays good.
        """
        name = self.looked_at(token) or users.checked_name(name)
        check_good(password, name)
        hashed = self._passwords.hashed(password)

        def job(connection: Connection) -> Opened:
            user = setup.user_of(connection, self._tenant, token)
            setup.void(connection, self._tenant, user)
            if user == FIRST:
                return self._open(connection, self._make_first(connection, name, hashed))
            known = users.found(connection, self._tenant, user)
            self._set_password(connection, known.actor, known, hashed)
            return self._open(connection, known.actor)

        return self._writer.run(job)

    def _make_first(self, connection: Connection, name: str, hashed: str) -> Actor:
        if not users.is_nobody_there(connection, self._tenant):
            raise Refused("setup-link-spent", "there are accounts already")
        user = users.insert_user(connection, self._tenant, name, FIRST_ROLES, hashed)
        subject = f"user/{user.id}"
        self._audit(connection, user.actor, "account.first", subject, users.facts(user))
        return user.actor

    def _new_link(self, connection: Connection, user: str) -> SetupLink:
        return setup.new_link(connection, self._tenant, user, self._settings.setup_life_s)

    # --- sessions -------------------------------------------------------------

    def revoke(self, by: Actor, user: str, session: str) -> None:
        """End one session of a user.  Raises `Refused` not-found or not-permitted."""

        def job(connection: Connection) -> None:
            self._check_may_end(connection, by, user)
            if not sessions.close(connection, self._tenant, user, session):
                raise Refused("not-found", f"there is no session {session[:80]!a}")
            self._audit(connection, by, "session.end", f"user/{user}", note=f"session {session}")

        self._writer.run(job)

    def revoke_all(self, by: Actor, user: str, but: str = "") -> int:
        """End all sessions of a user, except `but`; how many.

        Raises `Refused` not-found or not-permitted.
        """

        def job(connection: Connection) -> int:
            self._check_may_end(connection, by, user)
            count = sessions.close_all(connection, self._tenant, user, but)
            note = f"{count} sessions"
            self._audit(connection, by, "session.end-all", f"user/{user}", note=note)
            return count

        return self._writer.run(job)

    def sessions_of(self, user: str) -> list[sessions.Session]:
        """The open ones, newest first.  Raises `Refused` not-found."""
        idle_s = self._settings.session_idle_s
        with self._database.reading() as connection:
            users.found(connection, self._tenant, user)
            return sessions.of_user(connection, self._tenant, user, idle_s)

    def _check_may_end(self, connection: Connection, by: Actor, user: str) -> None:
        known = users.found(connection, self._tenant, user)
        if by.id != known.actor.id:
            users.check_may_give(by, known.permissions)

    def sweep(self) -> None:
        """Forget what has ended."""

        def job(connection: Connection) -> None:
            sessions.sweep(connection, self._tenant, self._settings.session_idle_s)
            setup.sweep(connection, self._tenant)
            self._throttle.sweep(connection)

        self._writer.run(job)

    # --- parts ----------------------------------------------------------------

    def _stored(self, connection: Connection, user: User | None) -> str:
        """The hash to compare with; "" for whoever cannot log in."""
        if user is None or not user.can_log_in:
            return ""
        return users.password_of(connection, self._tenant, user.id)

    def _check_same(self, connection: Connection, user: User, stored: str) -> None:
        now = users.found(connection, self._tenant, user.id)
        if self._stored(connection, now) != stored:
            raise _wrong()

    def _user_of(self, actor: Actor) -> User:
        kind, _, user = actor.id.partition(":")
        if kind != "user":
            raise Refused("not-a-person", f"{actor.name} has no password")
        with self._database.reading() as connection:
            return users.found(connection, self._tenant, user)

    def _set_password(
        self, connection: Connection, by: Actor, user: User, hashed: str, keep: str = ""
    ) -> None:
        users.update_user(connection, self._tenant, user, password=hashed)
        sessions.close_all(connection, self._tenant, user.id, but=keep)
        setup.void(connection, self._tenant, user.id)
        self._audit(connection, by, "account.password", f"user/{user.id}")

    def _open(self, connection: Connection, actor: Actor) -> Opened:
        user, life_s = actor.id.partition(":")[2], self._settings.session_life_s
        opened = sessions.open_one(connection, self._tenant, user, life_s)
        note = f"session {opened.session.id}"
        self._audit(connection, actor, "session.open", f"user/{user}", note=note)
        return opened

    def _audit(
        self,
        connection: Connection,
        by: Actor,
        action: str,
        subject: str,
        after: object = None,
        note: str = "",
    ) -> None:
        entry = Entry(
            tenant=self._tenant, actor=by.id, action=action, subject=subject, after=after, note=note
        )
        append(connection, entry)


def _wrong() -> Refused:
    what = "there is no account with this name and this password"
    return Refused("wrong-login", what, headers=CHALLENGE)
