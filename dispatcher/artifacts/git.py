"""`source.git`: the objects stand in a file of a Git repository (reference 6.7).

Nothing is cloned or checked out: the one file is read at a commit (`tiphys.clients.git.reading`), so that links, submodules, hooks and
filters of a repository have no effect, and `cloneDirectory` none either. Of several credentials `creds` go before `githubApp`, and that
before `sshKeySecret`, as in argo-events.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from pydantic import Field

from dispatcher.artifact import LARGEST, Artifact, objects_of, register_artifact
from dispatcher.fetching import Same, failure, fetching
from dispatcher.trigger import Notice, Services
from tiphys.clients import git
from tiphys.clients.github import API, GithubApp, installation_token
from tiphys.clients.http import flaw_in_url
from tiphys.errors import ClientError, DurationError, FaultKind, FieldError, TriggerError
from tiphys.languages import duration
from tiphys.schema.model import Model
from tiphys.schema.secret import SecretRef

__all__ = ["Git", "GitArtifact", "GitCreds", "GitRemote", "GithubAppCreds"]

_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


class GitCreds(Model):
    """A user name and a password or token, for https and http."""

    username: SecretRef | None = None
    password: SecretRef | None = None


class GithubAppCreds(Model):
    """A GitHub App: its private key in PEM, its number, and that of its installation. `apiURL` (ours) is for GitHub Enterprise."""

    private_key: SecretRef | None = None
    app_id: int = Field(default=0, alias="appID")
    installation_id: int = Field(default=0, alias="installationID")
    api_url: str = Field(default=API, alias="apiURL")


class GitRemote(Model):
    """Another address to read from: the first of `urls`."""

    name: str = ""
    urls: list[str] = Field(default_factory=list)


class GitArtifact(Model):
    """A file (`filePath`) of the repository at `url`, at a `ref` (`refs/…`, or a commit), else a `tag`, else a `branch`.

    Without any of the three it is the branch `master`, and where there is none the repository's own default branch. `remote` replaces the
    address. `ttl` (ours, a Go duration) allows a file that was read so long ago; without it a firing never gets one that was read before
    it was decided. `cloneDirectory` has no effect.
    """

    url: str = ""
    file_path: str = ""
    branch: str = ""
    tag: str = ""
    ref: str = ""
    creds: GitCreds | None = None
    github_app: GithubAppCreds | None = None
    ssh_key_secret: SecretRef | None = None
    insecure_ignore_host_key: bool = False
    remote: GitRemote | None = None
    clone_directory: str = ""
    ttl: str = ""

    @property
    def address(self) -> str:
        """Where it is read from."""
        return self.remote.urls[0] if self.remote is not None and self.remote.urls else self.url

    @property
    def full_ref(self) -> str:
        """The ref, in full, or a commit; empty for the default."""
        if self.ref:
            return self.ref
        if self.tag:
            return f"refs/tags/{self.tag}"
        return f"refs/heads/{self.branch}" if self.branch else ""


@register_artifact
class Git(Artifact):
    """The objects in a file of a repository."""

    key: ClassVar[str] = "git"
    value_type: ClassVar[Any] = GitArtifact

    @classmethod
    def check(cls, value: GitArtifact) -> list[FieldError]:
        """An address, a path or a name that Git must not see, and credentials that are not whole."""
        faults = []
        if fault := git.faults(value.address):
            where = "url" if value.address == value.url else "remote.urls[0]"
            faults.append(FieldError(where, *fault, repr(value.address)))
        if flaw := git.flaw_in_path(value.file_path):
            faults.append(FieldError("filePath", flaw, "write the file's path in the repository", repr(value.file_path)))
        if value.clone_directory and (flaw := git.flaw_in_path(value.clone_directory)):
            faults.append(FieldError("cloneDirectory", flaw, "leave it out: it has no effect", repr(value.clone_directory)))
        for name in ("branch", "tag", "ref"):
            written = getattr(value, name)
            if written and (flaw := git.flaw_in_ref(written)):
                faults.append(FieldError(name, flaw, f"write the name of a {name}", repr(written)))
        if value.ref and not (value.ref.startswith("refs/") or _COMMIT.fullmatch(value.ref)):
            faults.append(
                FieldError("ref", "is no full name", "write refs/heads/NAME, refs/tags/NAME or a commit", repr(value.ref))
            )
        return faults + _credential_faults(value) + _ttl_faults(value.ttl)

    @classmethod
    def notices(cls, value: GitArtifact) -> list[Notice]:
        """What has no effect, and what is not safe."""
        found = []
        address = git.parse(value.address) if not git.faults(value.address) else None
        protocol = address.protocol if address is not None else ""
        if protocol == "http":
            found.append(
                Notice("url", "is not encrypted: whoever is on the way can replace the object; use https", FaultKind.UNPROTECTED)
            )
        if value.insecure_ignore_host_key:
            found.append(
                Notice("insecureIgnoreHostKey", "is true: whoever is on the way can replace the object", FaultKind.UNPROTECTED)
            )
        for name, written in (("creds", value.creds), ("githubApp", value.github_app)):
            if written is not None and protocol == "ssh":
                found.append(Notice(name, "has no effect on an address that SSH serves; use sshKeySecret", FaultKind.IGNORED))
        if value.ssh_key_secret is not None and protocol in ("http", "https"):
            found.append(
                Notice("sshKeySecret", f"has no effect with {protocol}; write the address as user@host:path", FaultKind.IGNORED)
            )
        return found

    @classmethod
    async def read(cls, value: GitArtifact, namespace: str, services: Services, since: float) -> Sequence[bytes]:
        """The objects as JSON texts."""
        faults = "; ".join(map(str, cls.check(value)))
        if faults:
            raise TriggerError("InvalidTemplate", f"source.git: {faults}")

        async def fetch() -> Sequence[bytes]:
            try:
                credentials = await _credentials(value, namespace, services)
                file = await git.client().read(value.address, value.full_ref, value.file_path, credentials, most=LARGEST)
            except ClientError as error:
                raise failure("source.git", error) from error
            return await objects_of(file.content, f"source.git: {value.file_path} at {file.commit[:12]}")

        oldest = since - (duration.seconds(value.ttl) if value.ttl else 0.0)
        return await fetching().get((cls.key, Same(services), namespace, value.model_dump_json()), oldest, fetch)


def _credential_faults(value: GitArtifact) -> list[FieldError]:
    faults = []
    if value.creds is not None and value.creds.password is None:
        faults.append(FieldError("creds.password", "is missing", "name the Secret that holds the password or token"))
    if (app := value.github_app) is not None:
        needed = {"privateKey": app.private_key, "appID": app.app_id, "installationID": app.installation_id}
        faults += [FieldError(f"githubApp.{name}", "is missing", f"add {name}") for name, one in needed.items() if not one]
        if flaw := flaw_in_url(app.api_url):
            faults.append(FieldError("githubApp.apiURL", flaw, "write it like https://github.example/api/v3", repr(app.api_url)))
    return faults


def _ttl_faults(ttl: str) -> list[FieldError]:
    try:
        good = not ttl or duration.parse(ttl) >= 0
    except DurationError as error:
        return [FieldError("ttl", error.problem, error.remedy, repr(ttl))]
    return [] if good else [FieldError("ttl", "is negative", "write it as 30s or 5m", repr(ttl))]


async def _credentials(value: GitArtifact, namespace: str, services: Services) -> git.Credentials:
    async def secret(ref: SecretRef | None) -> bytes:
        return b"" if ref is None else await services.secrets.secret(namespace, ref)

    async def text(ref: SecretRef | None) -> str:
        return (await secret(ref)).decode(errors="surrogateescape").strip()

    protocol = git.parse(value.address).protocol
    if protocol in ("http", "https") and value.creds is not None:
        return git.Credentials(await text(value.creds.username), await text(value.creds.password))
    if protocol in ("http", "https") and (app := value.github_app) is not None:
        if services.http is None:
            raise TriggerError("NoHttp", "GitHub cannot be asked for a token here", transient=True)
        asked = GithubApp(app.app_id, app.installation_id, await secret(app.private_key), app.api_url)
        return git.Credentials("x-access-token", await installation_token(asked, services.http))
    key = await secret(value.ssh_key_secret) if protocol == "ssh" else b""
    return git.Credentials(ssh_key=key, any_host_key=value.insecure_ignore_host_key)
