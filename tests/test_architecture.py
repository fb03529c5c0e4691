"""Who may import whom, and what a file may hold."""

import ast
import functools
from pathlib import Path

import pytest

import evenflow

ROOT = Path(evenflow.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

# a room may import rooms of its own level or a lower one
LEVELS = [
    {"errors"},
    {"schema", "bands", "baseline", "metrics", "decision", "files", "ahead", "progress",
     "inference", "places", "onnx_guard", "conform", "frames", "knowledge", "text",
     "toml"},
    {"recipe", "stages", "plugins", "registry"},
    {"datasets", "prepare", "traffic"},
    {"learn", "runtime", "lab"},
    {"judge"},
    {"experiment", "testing"},
    {"web"},
    {"api"},
    {"studies"},
    {"cli", "__main__"},
]  # fmt: skip
LEVEL = {room: number for number, level in enumerate(LEVELS) for room in level}
# what stands beside the order: a sensor trains nothing, a trainer is no sensor
NEVER = [
    ("runtime", {"learn", "judge", "datasets", "recipe"}),
    ("learn", {"runtime", "judge"}),
    ("judge", {"runtime"}),
    ("prepare", {"datasets", "learn", "runtime", "judge"}),
    ("datasets", {"learn", "runtime", "judge"}),
    ("traffic", {"datasets", "prepare", "recipe", "plugins", "registry"}),
    ("lab", {"datasets", "prepare", "recipe", "learn", "runtime"}),
]
# of a room that others may not enter whole, the files they may
ONLY = {("runtime", "prepare"): "evenflow.prepare.features."}
FENCES = {
    "torch": ("learn/", "prepare/balance/gans/", "testing/losses.py"),
    "imblearn": ("prepare/balance/",),
    "sklearn": (
        "learn/",
        "prepare/balance/",
        "prepare/transformer.py",
        "prepare/pruned_tree.py",
    ),
    "scipy": ("learn/", "prepare/balance/"),
    "threadpoolctl": ("learn/", "prepare/balance/"),
    "lightgbm": ("learn/",),
    "onnx": ("learn/", "judge/tree_shap.py"),
    "skl2onnx": ("learn/graphs.py",),
    "onnxruntime": ("inference/__init__.py",),
    "numba": ("traffic/_compiled.py", "inference/trees.py"),
    "shap": (),
    "pandas": (),
    "pyarrow": (),
    "altair": ("judge/",),
    "vl_convert": ("judge/",),
    "jinja2": ("judge/pages/page.py", "web/"),
    "rich": ("cli/",),
    "click": ("cli/",),
    "flask": ("web/",),
    "flask_security": ("web/",),
    "flask_wtf": ("web/",),
    "wtforms": ("web/",),
    "sqlalchemy": ("web/",),
    "alembic": ("web/",),
    "gunicorn": ("web/serve/server.py",),
    "prometheus_client": ("web/",),
    "redis": ("runtime/bus/client.py",),
    "ray": ("cluster.py",),
    "pickle": (),
    "joblib": (),
    "dill": (),
    "cloudpickle": (),
}


def where(path):
    return path.relative_to(ROOT).as_posix()


@functools.cache
def nodes(path):
    """Return every node of a file, parsed once for all the rules."""
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


@pytest.fixture(scope="module", autouse=True)
def _trees_are_let_go():
    yield
    nodes.cache_clear()


def calls(path):
    """Yield (function in words, call) for every call in a file."""
    for node in nodes(path):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def imports(path):
    """Yield (module, is at module level) for every import in a file."""
    tree = nodes(path)[0]
    top = set(map(id, tree.body))
    typing_only = {
        id(inner)
        for node in nodes(path)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }
    for node in nodes(path):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            yield name, id(node) in top


def imported(is_wrong, files=FILES):
    """Return what files import and should not, by a function of file and name."""
    return [
        f"{where(path)} imports {name}"
        for path in files
        for name, _ in imports(path)
        if is_wrong(path, name)
    ]


def room(path):
    return where(path).split("/")[0].removesuffix(".py")


def is_allowed(mine, name):
    """Return whether a file of the room ``mine`` may import ``name``."""
    parts = name.split(".")
    if parts[0] != "evenflow" or len(parts) < 2 or parts[1] == "__version__":
        return True
    theirs = parts[1]
    assert theirs in LEVEL, f"{theirs} has no place in the order of rooms"
    if any(mine == room and theirs in rooms for room, rooms in NEVER):
        return False
    allowed = ONLY.get((mine, theirs))
    if allowed is not None and not f"{name}.".startswith(allowed):
        return False
    return LEVEL[theirs] <= LEVEL[mine]


def test_a_file_imports_from_its_left_only():
    assert {room(path) for path in FILES} - {"__init__"} <= LEVEL.keys()
    files = [path for path in FILES if room(path) != "__init__"]
    assert not imported(lambda path, name: not is_allowed(room(path), name), files)


@pytest.mark.parametrize(
    ("mine", "name"),
    [
        ("schema", "evenflow.recipe.Recipe"),
        ("metrics", "evenflow.judge.report"),
        ("prepare", "evenflow.learn.training"),
        ("learn", "evenflow.runtime.bundle"),
        ("judge", "evenflow.runtime.bundle"),
        ("judge", "evenflow.experiment"),
        ("runtime", "evenflow.judge.report"),
        ("runtime", "evenflow.recipe"),
        ("runtime", "evenflow.prepare.split"),
        ("runtime", "evenflow.prepare"),
        ("datasets", "evenflow.learn.training"),
        ("api", "evenflow.cli.voice"),
    ],
)
def test_a_forbidden_import_is_found(mine, name):
    assert not is_allowed(mine, name)


def test_an_import_inside_a_function_is_seen_and_one_for_types_is_not(tmp_path):
    path = tmp_path / "part.py"
    path.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import evenflow.api\n"
        "def f():\n    from evenflow.judge import report\n"
    )
    assert ("evenflow.judge.report", False) in list(imports(path))
    assert "evenflow.api" not in [name for name, _ in imports(path)]


def dotted(path):
    """Return a file's name as an import writes it."""
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_private_elsewhere(mine, name):
    """Return whether ``name`` holds an underscored module of a folder of ours that is
    not around the file ``mine``."""
    parts = name.split(".")
    for i, part in enumerate(parts if parts[0] == "evenflow" else ()):
        if part.startswith("_") and not part.startswith("__"):
            return not f"{mine}.".startswith(".".join(parts[:i]) + ".")
    return False


def test_a_module_with_an_underscore_is_imported_in_its_own_folder_alone():
    assert not imported(lambda path, name: is_private_elsewhere(dotted(path), name))


@pytest.mark.parametrize(
    ("mine", "name", "is_refused"),
    [
        ("evenflow.web.alerts.change", "evenflow.runtime._parquet.read", True),
        ("evenflow.web.pages.alerts", "evenflow.web.pages.admin._blueprint", True),
        ("evenflow.runtime.stream", "evenflow.runtime._parquet", False),
        ("evenflow.prepare.balance", "evenflow.prepare.balance._sampler", False),
        ("evenflow.cli", "evenflow.__version__", False),
        ("evenflow.files", "fcntl._private", False),
    ],
)
def test_a_private_import_is_found(mine, name, is_refused):
    assert is_private_elsewhere(mine, name) == is_refused


ASKS = ("frame/", "accounts/", "pages/", "api/", "app.py")
"""Files of the web that may read a request and end it; all others take arguments."""


UNDER_THE_FRAME = {"frame", "store", "settings"}
"""All that ``frame/`` imports of the web; the application passes in the rest."""


def breaks_a_rule_of_the_web(mine, name):
    """Return whether a file of ``web/`` at the place ``mine`` may not import
    ``name``."""
    folder, web = mine.split("/")[0], "evenflow.web."
    if name in ("flask.request", "flask.abort") and not mine.startswith(ASKS):
        return True
    if folder == "frame" and name.startswith(web):
        return name.split(".")[2] not in UNDER_THE_FRAME
    is_job = folder == "jobs" or mine.endswith("/job.py")
    if is_job and name.split(".")[0].startswith("flask"):
        return True
    other = {"api": "pages", "pages": "api"}.get(folder)
    if other and f"{name}.".startswith(f"{web}{other}."):
        return True
    if folder == "pages" and name.startswith(f"{web}pages."):
        own, theirs = mine.split("/")[1].removesuffix(".py"), name.split(".")[3]
        is_page = theirs in {file.stem for file in (ROOT / "web/pages").iterdir()}
        return own not in ("__init__", theirs) and is_page
    return False


def test_the_web_is_found_by_noun_and_its_parts_stay_apart():
    web = ROOT / "web"

    def is_wrong(path, name):
        return breaks_a_rule_of_the_web(path.relative_to(web).as_posix(), name)

    assert not imported(is_wrong, sorted(web.rglob("*.py")))


@pytest.mark.parametrize(
    ("mine", "name", "is_refused"),
    [
        ("api/uploads.py", "evenflow.web.pages.uploads.downloads", True),
        ("pages/api.py", "evenflow.web.api", True),
        ("pages/dashboard/__init__.py", "evenflow.web.pages.record.bp", True),
        ("alerts/feedback.py", "flask.request", True),
        ("uploads/receive.py", "flask.abort", True),
        ("frame/context.py", "evenflow.web.models.detectors.Detectors", True),
        ("frame/layout.py", "evenflow.web.charts.reports", True),
        ("frame/permissions.py", "evenflow.web.store.tables.User", False),
        ("jobs/worker.py", "flask.Flask", True),
        ("uploads/job.py", "flask_security.current_user", True),
        ("pages/uploads/acts.py", "evenflow.web.pages.uploads._blueprint.bp", False),
        ("pages/record.py", "evenflow.web.pages.Entry", False),
        ("pages/record.py", "flask.request", False),
        ("alerts/feedback.py", "flask_security.current_user", False),
    ],
)
def test_a_forbidden_import_in_the_web_is_found(mine, name, is_refused):
    assert breaks_a_rule_of_the_web(mine, name) == is_refused


WORKER = """
import importlib, sys
import evenflow.web.jobs.worker
from evenflow.web.jobs.kinds import KINDS

for kind in KINDS.values():
    importlib.import_module(kind.module)
print(*sys.modules)
"""


def test_a_worker_loads_no_page_no_api_and_no_web_server(python):
    pytest.importorskip("flask")
    loaded = set(python("-c", WORKER).stdout.split())
    assert "evenflow.web.uploads.job" in loaded
    served = {f"evenflow.web.{name}" for name in ("app", "api", "pages", "frame")}
    assert not loaded & {*served, "evenflow.web.accounts", "gunicorn", "alembic"}


EAGER = {
    "torch": {
        "learn/checkpoint.py", "learn/devices.py", "learn/loop.py", "learn/network.py",
        "learn/perturb.py",
        "learn/models/", "learn/losses/", "learn/novelty/", "learn/systems/",
        "prepare/balance/gans/",
    },
    "onnx": {"learn/export.py", "learn/graphs.py", "judge/tree_shap.py"},
    "onnxruntime": set(),
    "lightgbm": set(),
    "redis": set(),
}  # fmt: skip
"""Heavy packages, and the files that are loaded only when those are wanted anyway."""


@pytest.mark.parametrize("package", EAGER)
def test_a_heavy_package_is_imported_where_it_is_used(package):
    found = {
        where(path)
        for path in FILES
        for name, is_top in imports(path)
        if is_top and name.split(".")[0] == package
    }
    assert not [n for n in found if not n.startswith((*EAGER[package], "\0"))]


def test_packages_stay_behind_their_fences():
    def is_outside(path, name):
        inside = FENCES.get(name.split(".")[0])
        return inside is not None and not where(path).startswith(inside or "\0")

    assert not imported(is_outside)


def test_a_file_is_a_screen_or_three():
    lines = {p: len(p.read_text(encoding="utf-8").splitlines()) for p in FILES}
    assert not [f"{where(path)}: {n} lines" for path, n in lines.items() if n > 400]


def test_below_the_command_line_nothing_prints_or_asks_or_sets_up_the_log():
    never = {"print", "input", "breakpoint", "logging.basicConfig"}
    assert not [
        f"{where(path)} calls {called}"
        for path in FILES
        if room(path) != "cli"
        for called, _ in calls(path)
        if called in never
    ]


def unpickles(called, call):
    """Return whether a call may run code that a file of data holds."""
    given = {k.arg: ast.unparse(k.value) for k in call.keywords}
    if called in {"np.load", "numpy.load"}:
        return given.get("allow_pickle") != "False"
    return called == "torch.load" or given.get("allow_pickle") == "True"


def test_nothing_is_unpickled():
    assert not [
        f"{where(path)} calls {called}"
        for path in FILES
        for called, call in calls(path)
        if unpickles(called, call)
    ]


ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}


def touches_environment(path):
    """Return whether a file reads or changes the environment through ``os``."""
    return any(
        (
            isinstance(node, ast.Attribute)
            and ast.unparse(node.value) == "os"
            and node.attr in ENVIRONMENT
        )
        or (
            isinstance(node, ast.ImportFrom)
            and node.module == "os"
            and {alias.name for alias in node.names} & ENVIRONMENT
        )
        or (
            isinstance(node, ast.Import)
            and any(alias.name == "os" and alias.asname for alias in node.names)
        )
        for node in nodes(path)
    )


def test_one_file_reads_and_changes_the_environment():
    assert [where(p) for p in FILES if touches_environment(p)] == ["places.py"]


@pytest.mark.parametrize(
    "text",
    [
        "import os\nos.environ['HOME']",
        "import os\ndef f():\n    return os.getenv('HOME')",
        "import os\nos.putenv('HOME', '/')",
        "from os import environ",
        "import os as system\nsystem.environ",
    ],
)
def test_a_use_of_the_environment_is_found(text, write):
    path = write("part.py", text)
    assert touches_environment(path)
