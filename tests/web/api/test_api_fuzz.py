"""Requests made from the API's own document, a thousand of them: never a fault of ours.

Half of them keep to the document and half do not; numbers and ids of objects are, as
often as not, those of objects that are there.
"""

import collections
import json
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig
from schemathesis.config import SchemathesisConfig as Config
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

RECORD = json.loads(Path(__file__).with_name("record.json").read_text())


CASES = 1_000
CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
MODES = (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)


@pytest.fixture
def program(programs):
    return programs("admin")


@pytest.fixture
def there(program):
    """Objects that are there, by the name of the part of the path."""
    found = program.ask("POST", "/score?keep=true", json={"record": RECORD}).json
    upload = program.ask(
        "PUT", f"/uploads/{'a' * 24}", data=b"a,b\n1,2\n", content_type="text/csv"
    )
    return {
        "number": str(found["alert_id"]), "job_id": upload.json["id"], "name": "small",
    }  # fmt: skip


def usable(operation, mode):
    """Return whether requests of that mode can be made: some take nothing wrong."""
    return mode is GenerationMode.POSITIVE or bool(
        operation.body or operation.query or operation.headers
        or operation.path_parameters
    )  # fmt: skip


def fuzzed(cases, n, send):
    """Send ``n`` generated cases."""

    @seed(7)
    @settings(
        max_examples=n,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases)
    def run(case):
        send(case)

    run()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning:schemathesis.*")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:jsonschema.*")
def test_no_request_made_from_the_document_is_a_fault(app, program, there):
    config = Config(
        projects=ProjectsConfig(
            default=ProjectConfig(
                generation=GenerationConfig(with_security_parameters=False)
            )
        )
    )
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", app, config=config)
    operations = [found.ok() for found in schema.get_all_operations()]
    kinds = [(o, m) for o in operations for m in MODES if usable(o, m)]
    asked: collections.Counter[str] = collections.Counter()
    answered: collections.Counter[int] = collections.Counter()

    def send(case):
        n = asked[case.operation.label] = asked[case.operation.label] + 1
        for name in case.path_parameters or {}:
            if name in there and n % 2:
                case.path_parameters[name] = there[name]
        case.headers["Authorization"] = f"Bearer {program.token}"
        response = case.call()
        answered[response.status_code] += 1
        case.validate_response(response, checks=CHECKS)

    for operation, mode in kinds:
        n = len(kinds)
        fuzzed(operation.as_strategy(generation_mode=mode), CASES // n + 16, send)
    assert asked.total() >= CASES, asked
    assert len(asked) == len(operations) == 24
    # the requests reached the work, and were refused where they are wrong
    assert answered[200] > CASES / 20, answered
    assert answered[422] > CASES / 20, answered
    assert not [status for status in answered if status >= 500]
