"""Users, impersonation and RBAC, where `--users` switches them on: enough to show what an account may do and what it may not.

Without `--users` there is one user, who may do everything, and impersonation headers are ignored. With it the token of `--token-file` is a
member of `system:masters`, the file has others (in the form of kube-apiserver's `--token-auth-file`), and every request is judged by the
Roles, ClusterRoles and bindings that are stored here. They are read for each request: this is for tests and laptops.

Followed: "Using RBAC Authorization" and "User impersonation" of the Kubernetes documentation. Not done: aggregated ClusterRoles, the
default roles of a cluster, the check against giving away rights that one lacks, `nonResourceURLs` (whoever has a token may see discovery),
impersonation of uids and of extra fields.
"""

from __future__ import annotations

import csv
import hmac
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tiphys.emulator.statuses import ApiError, bad_request
from tiphys.errors import SettingsError

__all__ = ["MASTER", "Authorizer", "Question", "User", "Users"]

Objects = Callable[[str, str | None], Iterable[Mapping[str, Any]]]
"""All objects of a storage (`rbac.authorization.k8s.io/roles`), of one namespace or of all (`None`)."""

_RBAC: Final = "rbac.authorization.k8s.io"
_MASTERS: Final = "system:masters"
_AUTHENTICATED: Final = "system:authenticated"
_ACCOUNT: Final = re.compile(r"system:serviceaccount:([^:]+):([^:]+)")


@dataclass(frozen=True, slots=True)
class User:
    """Who asks."""

    name: str
    groups: frozenset[str] = frozenset()


MASTER: Final = User("kubernetes-admin", frozenset((_MASTERS, _AUTHENTICATED)))


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for: a verb on a resource, perhaps a subresource, perhaps of one name, in a namespace or in the cluster."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def full_resource(self) -> str:
        """As rules name it: `sensors/status`."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


class Users:
    """The users by token."""

    def __init__(self, token: bytes, others: Mapping[bytes, User]) -> None:
        self._users = {**others, token: MASTER}

    @classmethod
    def read(cls, token: bytes, file: Path) -> Users:
        """Of a file with a line `token,user,uid,"group,group"` for each. Raises `SettingsError`."""
        others: dict[bytes, User] = {}
        try:
            rows = list(csv.reader(file.read_text("utf-8").splitlines(), skipinitialspace=True))
        except (OSError, csv.Error) as error:
            raise SettingsError("--users", str(error), "name a file of token,user,uid,groups lines") from error
        for row in rows:
            if len(row) < 3 or not row[0] or not row[1]:
                raise SettingsError("--users", f"{','.join(row)!r} is no user", "write token,user,uid or token,user,uid,groups")
            groups = row[3].split(",") if len(row) > 3 else []
            others[row[0].encode()] = _known(row[1], (group.strip() for group in groups if group.strip()))
        return cls(token, others)

    def of(self, token: bytes) -> User | None:
        """Whose token it is, compared in constant time with each."""
        found = [user for known, user in self._users.items() if hmac.compare_digest(known, token)]
        return found[0] if found else None


def _known(name: str, groups: Iterable[str]) -> User:
    """A user with the groups that each of its kind is in."""
    every = {_AUTHENTICATED, *groups}
    if account := _ACCOUNT.fullmatch(name):
        every |= {"system:serviceaccounts", f"system:serviceaccounts:{account[1]}"}
    return User(name, frozenset(every))


class Authorizer:
    """Judges requests by what is stored."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def acting(self, user: User, headers: Mapping[str, str], groups: Sequence[str]) -> User:
        """Who the request is to be made as, by its impersonation headers; `groups` are the values of `Impersonate-Group`. Raises `ApiError`
        403 where `user` may not, 400 for groups without a user."""
        name = headers.get("Impersonate-User", "")
        if not name:
            if groups:
                raise bad_request(f"requested {list(groups)} without impersonating a user")
            return user
        account = _ACCOUNT.fullmatch(name)
        asked = [Question("impersonate", "", "serviceaccounts", account[1], account[2])] if account else []
        asked = asked or [Question("impersonate", "", "users", name=name)]
        asked += [Question("impersonate", "", "groups", name=group) for group in groups]
        for question in asked:
            self.check(user, question)
        return User(name, frozenset((_AUTHENTICATED, *groups))) if groups else _known(name, ())

    def check(self, user: User, question: Question) -> None:
        """Raises `ApiError` 403 in Kubernetes' words."""
        if self.allows(user, question):
            return
        place = f'in the namespace "{question.namespace}"' if question.namespace else "at the cluster scope"
        whole = f"{question.resource}.{question.group}" if question.group else question.resource
        named = f'{whole} "{question.name}"' if question.name else whole
        asked = f'resource "{question.full_resource}" in API group "{question.group}" {place}'
        details = {"name": question.name} if question.name else {}
        raise ApiError(
            "Forbidden",
            f'{named} is forbidden: User "{user.name}" cannot {question.verb} {asked}',
            details={**details, **({"group": question.group} if question.group else {}), "kind": question.resource},
        )

    def allows(self, user: User, question: Question) -> bool:
        """Whether a rule of a role that the user is bound to lets it."""
        return _MASTERS in user.groups or any(_rule_allows(rule, question) for rule in self._rules(user, question.namespace))

    def _rules(self, user: User, namespace: str) -> Iterator[Mapping[str, Any]]:
        for binding in self._objects(f"{_RBAC}/clusterrolebindings", None):
            if _binds(binding, user):
                yield from self._role(binding, "")
        if namespace:
            for binding in self._objects(f"{_RBAC}/rolebindings", namespace):
                if _binds(binding, user):
                    yield from self._role(binding, namespace)

    def _role(self, binding: Mapping[str, Any], namespace: str) -> Iterator[Mapping[str, Any]]:
        reference = binding.get("roleRef") or {}
        cluster = reference.get("kind") == "ClusterRole"
        storage = f"{_RBAC}/{'clusterroles' if cluster else 'roles'}"
        for role in self._objects(storage, None if cluster else namespace):
            if role["metadata"]["name"] == reference.get("name"):
                yield from role.get("rules") or ()


def _binds(binding: Mapping[str, Any], user: User) -> bool:
    for subject in binding.get("subjects") or ():
        kind, name = subject.get("kind"), subject.get("name", "")
        if kind == "Group" and name in user.groups:
            return True
        if kind == "ServiceAccount":
            name = f"system:serviceaccount:{subject.get('namespace', '')}:{name}"
        if kind in ("User", "ServiceAccount") and name == user.name:
            return True
    return False


def _rule_allows(rule: Mapping[str, Any], question: Question) -> bool:
    names = rule.get("resourceNames") or ()
    resources = rule.get("resources") or ()
    named = question.full_resource in resources or "*" in resources
    named = named or bool(question.subresource and f"*/{question.subresource}" in resources)
    return (
        named
        and bool({question.verb, "*"} & set(rule.get("verbs") or ()))
        and bool({question.group, "*"} & set(rule.get("apiGroups") or ()))
        and (not names or question.name in names)
    )
