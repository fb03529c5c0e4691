"""Every route of the application, found by asking it: a new one is tested at once."""

from dataclasses import dataclass
from typing import Any

import pytest

PUBLIC = {
    # what anybody may ask for, and why; everything else needs a log-in
    "static": "style, scripts and fonts",
    "vega.library": "the drawing library",
    "security.login": "to log in",
    "security.logout": "ends what there is, if anything",
    "security.forgot_password": "to ask for a link",
    "security.reset_password": "the link is the proof",
    "security.send_confirmation": "to ask for a link",
    "security.confirm_email": "the link is the proof",
    "security.change_email_confirm": "the link is the proof",
    "security.two_factor_setup": "asks the session itself; sends others to the log-in",
    "security.two_factor_token_validation": "between password and code",
    "security.two_factor_rescue": "leads to the recovery code",
    "security.tf_select": "between password and code",
    "security.mf_recovery": "between password and code",
    "sign_up.open_to_all": "to sign up",
    "sign_up.invited": "the link is the proof",
}
PUBLIC_URLS = {
    "/healthz": "whether the process lives",
    "/readyz": "whether it can work",
    "/metrics": "asks for this machine or a key itself",
    "/api": "how the API is used; it shows no data",
}
BY_FLASK_SECURITY = {
    "security.change_password", "security.verify", "security.mf_recovery_codes",
    "security.change_email", "security.two_factor_setup_validate",
}  # fmt: skip
CHANGING = {"POST", "PUT", "PATCH", "DELETE"}
SAMPLES = {"IntegerConverter": "1", "FloatConverter": "1.5", "UUIDConverter": "0" * 32}


@dataclass(frozen=True, kw_only=True)
class Route:
    """One rule of the application."""

    endpoint: str
    url: str
    methods: frozenset[str]
    role: str
    """Least role that ``guard.require`` asks for, '' where it is not used."""
    is_for_guests: bool
    """Whether a visitor of a demo may read it."""

    @property
    def is_public(self):
        """Whether anybody may ask for it."""
        return self.endpoint in PUBLIC or self.url in PUBLIC_URLS

    @property
    def is_api(self):
        """Whether it is a program's: keys and their scopes are tested with the API."""
        return self.url.startswith("/api/v1")

    @property
    def changing(self):
        """Methods that change something."""
        return sorted(self.methods & CHANGING)


def routes_of(app):
    """Return all routes, with something in each place of the address."""
    found = []
    for rule in app.url_map.iter_rules():
        values: dict[str, Any] = {}
        for name, converter in rule._converters.items():
            one_of = sorted(getattr(converter, "items", ()))  # <any("a", "b"):name>
            usual = one_of[0] if one_of else "x"
            values[name] = SAMPLES.get(type(converter).__name__, usual)
        with app.test_request_context():
            _, url = rule.build(values)
        view = app.view_functions[rule.endpoint]
        found.append(
            Route(
                endpoint=rule.endpoint,
                url=url,
                methods=frozenset(rule.methods),
                role=getattr(view, "_role", ""),
                is_for_guests=getattr(view, "_guests", False),
            )
        )
    return sorted(found, key=lambda route: (route.url, route.endpoint))


@pytest.fixture
def routes(app):
    """All routes."""
    return routes_of(app)


@pytest.fixture
def pages(routes):
    """All routes but the API's."""
    return [route for route in routes if not route.is_api]


@pytest.fixture
def guarded_by_flask_security():
    """Routes whose guard is Flask-Security's own; that it holds is tested."""
    return BY_FLASK_SECURITY
