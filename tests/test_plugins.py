"""Plug-ins of other distributions work, or the user is told what is missing."""

import importlib
import json
import textwrap

import pytest

import evenflow
from evenflow import registry
from evenflow.errors import EvenflowError, MissingExtraError, RecipeError
from evenflow.learn import export_check
from evenflow.recipe import Recipe

MODULES = {
    "plain": """
        import numpy as np

        class Noise:
            def __init__(self, scale=0.05, random_state=None):
                self.scale, self.random_state = scale, random_state

            def fit_resample(self, X, y, *, layout):
                rng = np.random.default_rng(self.random_state)
                rare = np.bincount(y).argmin()
                rows = rng.choice(np.flatnonzero(y == rare), 50)
                made = X[rows] + rng.normal(0, self.scale, X[rows].shape)
                made = layout.snap(made.astype(X.dtype))
                return np.concatenate([X, made]), np.concatenate([y, y[rows]])

        class Bare:
            def fit_resample(self, X, y):
                return X[: len(X) // 2], y[: len(y) // 2]

        class Returns:
            def __init__(self, what="none"):
                self.what = what

            def fit_resample(self, X, y):
                return {
                    "none": lambda: None,
                    "narrow": lambda: (X[:, :2], y),
                    "nan": lambda: (np.where(X > 0, np.nan, X), y),
                    "short": lambda: (X, y[:-1]),
                    "class": lambda: (X, np.full(len(y), 9)),
                    "text": lambda: (X.astype(str), y),
                    "raises": lambda: 1 / 0,
                }[self.what]()

        SAMPLER = Noise
    """,
    "public": """
        from evenflow.prepare.balance import Sampler

        class Keep(Sampler):
            kind = "both"

            def __init__(self, *, random_state: int | None = None):
                self.random_state = random_state

            def _resample(self, X, y, layout, on_event):
                return X, y

        class Odd(Sampler):
            kind = "over"

            def __init__(self, *, what: str = "nan"):
                self.what = what

            def _resample(self, X, y, layout, on_event):
                if self.what == "weights":
                    self.class_weight_ = [1.0, -1.0]
                return {
                    "nan": lambda: (X * float("nan"), y),
                    "raises": lambda: 1 / 0,
                    "weights": lambda: (X, y),
                }[self.what]()

        SAMPLER = Keep
    """,
    "losses": """
        from dataclasses import dataclass
        from torch.nn import functional
        from evenflow.learn import Loss

        @dataclass(frozen=True, kw_only=True)
        class Config:
            what: str = "each"

        def build(config, *, n_rows, class_weight):
            if config.what == "build":
                raise KeyError("a")
            if config.what == "call":
                return lambda logits, y: logits / "a"
            return lambda z, y: functional.cross_entropy(z, y, reduction="none")

        LOSS = Loss(build, Config)
    """,
    "models": """
        from dataclasses import dataclass, field
        from evenflow.learn import Estimator

        @dataclass(frozen=True, kw_only=True)
        class Config:
            kind: str = "HistGradientBoostingClassifier"
            more: dict = field(default_factory=dict)

        def build(config, *, n_classes, class_weight, seed):
            from sklearn import calibration, ensemble, naive_bayes, neighbors, svm
            for module in (calibration, ensemble, naive_bayes, neighbors, svm):
                if hasattr(module, config.kind):
                    return getattr(module, config.kind)(**config.more)
            raise LookupError(config.kind)

        def other(config):
            raise NotImplementedError

        @dataclass(frozen=True, kw_only=True)
        class Strict(Config):
            def __post_init__(self):
                raise ValueError("no such thing as a good value")

        MODEL = Estimator(build, Config)
        OTHER = Estimator(other, Config)
        STRICT = Estimator(build, Strict)
    """,
    "network": """
        from dataclasses import dataclass
        import torch
        from evenflow.learn import Network

        @dataclass(frozen=True, kw_only=True)
        class Config:
            width: int = 8

        class Net(torch.nn.Module):
            def __init__(self, n_features, n_classes, config):
                super().__init__()
                self.a = torch.nn.Linear(n_features, config.width)
                self.b = torch.nn.Linear(config.width, n_classes)

            def forward(self, x):
                return self.b(torch.relu(self.a(x)))

        MODEL = Network(Net, Config)
    """,
    "data": """
        import numpy as np, polars as pl
        from evenflow.datasets import Dataset
        from evenflow.schema import Schema, Column, Table

        SCHEMA = Schema(
            name="held_data", columns=(Column(name="a"), Column(name="b")),
            classes=("benign", "dos"), families={}, taxonomy="mine",
        )

        def load(split, *, folders=(), on_event=None, broken=False):
            if broken:
                raise KeyError("a")
            rng = np.random.default_rng(0)
            y = (rng.random(900) < 0.2).astype(np.int64)
            frame = pl.DataFrame({"a": rng.normal(3 * y, 1), "b": rng.normal(-y, 1)})
            attack = pl.Series("attack", np.array(["benign", "dos"])[y])
            return Table(schema=SCHEMA, frame=frame, y=y, attack=attack)

        DATASET = Dataset(
            name="held_data", title="mine", load=load, splits=("train",),
            terms="mine", citation="mine", caveats=(),
        )
    """,
}
ENTRIES = {
    "balance": {
        "held_module": "heldplug.plain",
        "held_object": "heldplug.plain:SAMPLER",
        "held_bare": "heldplug.plain:Bare",
        "held_returns": "heldplug.plain:Returns",
        "held_public": "heldplug.public",
        "held_odd": "heldplug.public:Odd",
        "imb_smote": "imblearn.over_sampling:SMOTE",
        "imb_rus": "imblearn.under_sampling:RandomUnderSampler",
        "imb_enn": "imblearn.combine:SMOTEENN",
        "held_nowhere": "heldplug.nowhere:SAMPLER",
        "held_nothing": "heldplug.plain:NOTHING",
        "held_wrong_module": "heldplug.network",
        "held_wrong_object": "heldplug.plain:Noise.fit_resample",
    },
    "models": {
        "held_model": "heldplug.models:MODEL",
        "held_other": "heldplug.models:OTHER",
        "held_strict": "heldplug.models:STRICT",
        "held_net": "heldplug.network",
        "held_bare_net": "heldplug.network:Net",
    },
    "losses": {"held_loss": "heldplug.losses"},
    "datasets": {"held_data": "heldplug.data", "held_no_data": "heldplug.models:MODEL"},
}


@pytest.fixture(autouse=True)
def installed(tmp_path, monkeypatch):
    """Install a distribution by hand: modules and entry points on the path."""
    site = tmp_path / "site"
    (site / "heldplug").mkdir(parents=True)
    (site / "heldplug" / "__init__.py").write_text("")
    for name, text in MODULES.items():
        (site / "heldplug" / f"{name}.py").write_text(textwrap.dedent(text))
    info = site / "heldplug-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: heldplug\n")
    groups = [
        "\n".join([f"[evenflow.{kind}]", *(f"{k} = {v}" for k, v in entries.items())])
        for kind, entries in ENTRIES.items()
    ]
    (info / "entry_points.txt").write_text("\n".join(groups))
    monkeypatch.syspath_prepend(site)
    importlib.invalidate_caches()
    registry._added.cache_clear()
    yield
    registry._added.cache_clear()


def trained(name, tmp_path, **changes):
    recipe = Recipe.load(f"synthetic/{name}").with_(
        dataset={"name": "synthetic", "n_rows": 3000}, training__epochs=1, **changes
    )
    return evenflow.train(recipe, tmp_path / "b")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "held_module", "held_object", "held_bare", "held_public", "imb_smote",
        "imb_rus", "imb_enn",
    ],
)  # fmt: skip
def test_a_sampler_by_the_letter_of_the_contract_works(name, tmp_path):
    model = {"name": "random_forest", "n_estimators": 3}
    trained(f"random_forest-{name}", tmp_path, model=model)
    bundle = evenflow.load_bundle(tmp_path / "b")
    assert bundle.recipe["balance"]["name"] == name
    again = Recipe.from_dict(json.loads(json.dumps(bundle.recipe)))
    assert again.sha256 == Recipe.from_dict(bundle.recipe).sha256
    notes = bundle.report["training"]["notes"]
    makes_rows_blindly = name in {"imb_smote", "imb_enn"}
    assert any("takes no layout" in note for note in notes) == makes_rows_blindly


@pytest.mark.parametrize(
    ("name", "what", "told"),
    [
        ("held_returns", "none", "returned NoneType; expected .X, y."),
        ("held_returns", "narrow", r"X of shape \(\d+, 2\)"),
        ("held_returns", "nan", "NaN or infinity"),
        ("held_returns", "short", "one label for each row"),
        ("held_returns", "class", "expected two or more of the codes"),
        ("held_returns", "text", "X of shape"),
        ("held_returns", "raises", "ZeroDivisionError: division by zero"),
        # of our base class
        ("held_odd", "nan", "NaN or infinity"),
        ("held_odd", "raises", "ZeroDivisionError: division by zero"),
        ("held_odd", "weights", r"_ \[1.0, -1.0\]; expected 5 positive numbers"),
    ],
)
def test_what_a_sampler_returns_is_checked(name, what, told, tmp_path):
    with pytest.raises(RecipeError, match=f"{name}.*{told}"):
        trained("random_forest-none", tmp_path, balance={"name": name, "what": what})


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("build", "KeyError: 'a'"),
        ("call", "TypeError"),
        ("each", r"it returned shape \(\d+,\), not \(\)"),
    ],
)
def test_what_a_loss_does_wrong_is_told(what, told, tmp_path):
    with pytest.raises(RecipeError, match=f"held_loss.*{told}"):
        trained("dnn-none", tmp_path, loss={"name": "held_loss", "what": what})


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [
        ("balance", "held_nothing", "no attribute 'NOTHING'"),
        ("balance", "held_wrong_module", "a module without SAMPLER"),
        ("balance", "held_wrong_object", "a function, expected a class with .*fit_res"),
        ("models", "held_bare_net", "a type, expected an evenflow.learn.Network, Est"),
        ("datasets", "held_no_data", "Estimator, expected an evenflow.datasets.Datas"),
    ],
)
def test_an_entry_point_that_leads_elsewhere_is_named(kind, name, told):
    with pytest.raises(RecipeError, match=f"entry point {name} = .*{told}"):
        registry.load(kind, name)


def test_an_entry_point_to_a_module_that_is_not_there_is_named():
    with pytest.raises(MissingExtraError, match=r"held_nowhere .*'heldplug.nowhere'"):
        registry.load("balance", "held_nowhere")


def test_a_data_set_in_a_module_works_and_its_own_faults_are_told(tmp_path):
    recipe = Recipe.load(
        "held_data/random_forest-imb_smote", split={"name": "stratified"}
    )
    evenflow.train(recipe, tmp_path / "b")
    with pytest.raises(RecipeError, match=r"held_data.*KeyError: 'a'"):
        evenflow.load_dataset("held_data", "train", broken=True)


@pytest.fixture
def unbalanced(monkeypatch):
    """Fail where rows are balanced: the trial comes first."""
    from evenflow.learn.balancing import Balancing

    monkeypatch.setattr(Balancing, "__call__", lambda *_: pytest.fail("balanced"))


SCIKIT = ("HistGradientBoostingClassifier", "KNeighborsClassifier", "LinearSVC",
          "BernoulliNB")  # fmt: skip


@pytest.mark.usefixtures("unbalanced")
@pytest.mark.parametrize("kind", SCIKIT)
def test_a_model_that_cannot_be_saved_is_refused_before_it_trains(kind, tmp_path):
    model = {"name": "held_model", "kind": kind}
    if kind == "HistGradientBoostingClassifier":
        model["more"] = {"max_iter": 2}
    with pytest.raises(RecipeError, match="'held_model' cannot be saved.*Use another"):
        trained("held_model-none", tmp_path, model=model)
    assert not (tmp_path / "b").exists()
    assert not (tmp_path / "b.partial").exists()


@pytest.mark.parametrize(
    "kind", ["GaussianNB", "GradientBoostingClassifier", "RandomForestClassifier"]
)
def test_a_model_that_can_be_saved_passes_the_trial(kind, tmp_path):
    model = {"name": "held_model", "kind": kind}
    if kind != "GaussianNB":
        model["more"] = {"n_estimators": 3}
    recipe = Recipe.load("synthetic/held_model-none").with_(model=model)
    export_check.try_export(recipe, n_features=9, n_classes=3)


@pytest.mark.usefixtures("unbalanced")
def test_a_part_that_cannot_be_saved_is_refused_before_the_system_trains(tmp_path):
    model = {"name": "gate", "second": {"name": "held_model", "kind": "LinearSVC"}}
    with pytest.raises(RecipeError, match="'held_model' cannot be saved.*Use another"):
        trained("gate-ros", tmp_path, model=model)


@pytest.mark.usefixtures("unbalanced")
def test_a_model_that_is_called_otherwise_or_refuses_its_parameters_is_told(tmp_path):
    with pytest.raises(RecipeError, match=r"held_other.*TypeError.*n_classes"):
        trained("held_other-none", tmp_path)
    with pytest.raises(RecipeError, match=r"held_strict.*no such thing as a good"):
        Recipe.load("synthetic/held_strict-none")


@pytest.mark.parametrize(
    "recipe", ["random_forest-held_returns", "held_model-none", "held_bare_net-none"]
)
def test_the_command_says_it_in_a_line_without_calling_it_a_bug(recipe, tmp_path, run):
    words = ["-o", tmp_path / "b", "-s", "dataset.n_rows=1000"]
    if recipe.startswith("held_model"):
        words += ["-s", "model.kind=KNeighborsClassifier"]
    done = run("train", f"synthetic/{recipe}", *words, code=2)
    assert "evenflow has a bug" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Error: ")


def test_a_parameter_that_no_file_can_hold_is_refused():
    with pytest.raises(RecipeError, match=r"imb_smote.*Unable to serialize"):
        Recipe.load("synthetic/cnn-imb_smote", balance__k_neighbors=object())


def test_an_error_of_evenflow_or_of_its_own_plug_ins_stays_what_it_is():
    with (
        pytest.raises(EvenflowError, match="^as it was$"),
        registry.blamed("balance", "imb_smote"),
    ):
        raise EvenflowError("as it was")
    with pytest.raises(ZeroDivisionError), registry.blamed("balance", "smote"):
        raise ZeroDivisionError
