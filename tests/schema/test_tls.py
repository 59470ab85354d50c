"""TLSConfig: what belongs together."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tiphys.schema.model import field_errors
from tiphys.schema.tls import TLSConfig

SECRET = {"name": "tls", "key": "pem"}


@pytest.mark.parametrize(
    "fields",
    [
        {"enabled": True},
        {"caCertSecret": SECRET},
        {"clientCertSecret": SECRET, "clientKeySecret": SECRET},
        {"insecureSkipVerify": True},
        {"insecureSkipVerify": True, "clientCertSecret": SECRET},
    ],
)
def test_a_complete_configuration_is_accepted(fields: dict[str, Any]) -> None:
    assert TLSConfig.model_validate(fields)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "says nothing"),
        ({"enabled": False}, "says nothing"),
        ({"clientCertSecret": SECRET}, "clientCertSecret without clientKeySecret"),
        ({"enabled": True, "clientKeySecret": SECRET}, "clientKeySecret without clientCertSecret"),
    ],
)
def test_an_incomplete_one_is_refused_and_says_what_is_lacking(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TLSConfig.model_validate(fields)
    (error,) = field_errors(caught.value, "spec.tls")
    assert (problem in error.problem, error.path, bool(error.remedy)) == (True, "spec.tls", True)
