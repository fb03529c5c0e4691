"""What others published, as data: every figure with its protocol and how sure we are.

Two kinds. :data:`SYSTEMS` holds the survey: each system, the protocol its authors
used as far as it is known, and the figures they gave, tagged ``V`` (read in a
published text), ``I`` (follows from such a figure by arithmetic) or ``M`` (from
memory, not verified). :data:`PRINTED_COMPARISON` and :data:`PRINTED_PERFORMANCE` are
two tables whole, as printed, wrong rows included and marked.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

Tag = Literal["V", "I", "M"]
TAGS = {
    "V": "read in a published text",
    "I": "follows from a published figure by arithmetic",
    "M": "from memory, not verified",
}
NOT_STATED = "not stated"
IMPOSSIBLE = "cannot be right as printed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One published number, in per cent."""

    dataset: str
    """Name of the data set in this package, or as published where we have none."""
    test: str
    """Rows that judged: ``KDDTest+``, ``KDDTest-21``, ``random split``..."""
    metric: str
    value: float
    tag: Tag


@dataclass(frozen=True, kw_only=True, slots=True)
class System:
    """One system of the survey."""

    name: str
    year: int
    what: str
    protocol: str
    figures: tuple[Figure, ...] = ()
    reference: str = ""
    """DOI, where it was read."""
    note: str = ""


def _figures(tag: Tag, dataset: str, test: str, **values: float) -> tuple[Figure, ...]:
    return tuple(
        Figure(dataset=dataset, test=test, metric=metric, value=value, tag=tag)
        for metric, value in values.items()
    )


SYSTEMS: tuple[System, ...] = (
    System(
        name="CNN + data balancing (Elghalhoud)",
        year=2023,
        what="hybrid balancing and a CNN",
        protocol="KDDTrain+ -> KDDTest+, binary (inferred); BoT-IoT multi-class",
        reference="10.1109/WCNC55385.2023.10118702",
        figures=(
            *_figures(
                "V", "nsl_kdd", "KDDTest+", detection_rate=90.46, false_alarm_rate=6.50
            ),
            *_figures("I", "nsl_kdd", "KDDTest+", accuracy=91.77, f1=92.6),
            *_figures("V", "nsl_kdd", "KDDTest+", recall_u2r=70.50, recall_r2l=72.08),
            *_figures("V", "bot_iot", NOT_STATED, weighted_f1=99.45),
        ),
        note="accuracy and F1 follow from the two rates and the test file's counts",
    ),
    System(
        name="SAVAER-DNN (Yang)",
        year=2020,
        what="supervised adversarial variational autoencoder with a WGAN-GP on the "
        "latent; the decoder makes rare classes, the encoder starts the DNN",
        protocol="KDDTest+, KDDTest-21, UNSW-NB15 official",
        figures=(
            *_figures("M", "nsl_kdd", "KDDTest+", accuracy=89.36),
            *_figures("M", "nsl_kdd", "KDDTest-21", accuracy=80.30),
            *_figures("M", "unsw_nb15", "official", accuracy=93.01),
        ),
    ),
    System(
        name="ICVAE-DNN (Yang)",
        year=2019,
        what="conditional VAE (122-80-40-20-10 and back); rows kept whose "
        "reconstruction loss is under their class's maximum; the encoder starts "
        "the DNN",
        protocol="KDDTest+, KDDTest-21, UNSW-NB15 official",
        figures=(
            *_figures(
                "M",
                "nsl_kdd",
                "KDDTest+",
                accuracy=85.97,
                detection_rate=77.43,
                false_alarm_rate=2.74,
            ),
            *_figures("M", "nsl_kdd", "KDDTest-21", accuracy=75.43),
            *_figures("M", "unsw_nb15", "official", accuracy=89.08),
        ),
    ),
    System(
        name="LIO-IDS (Gupta)",
        year=2021,
        what="LSTM gate; improved one-vs-one behind it, with ROS, SVM-SMOTE or "
        "Borderline-SMOTE in the second layer alone",
        protocol=NOT_STATED,
        note="NSL-KDD, CIDDS-001, CICIDS2017; its printed figures stand in the "
        "comparison table",
    ),
    System(
        name="TSODE (Fatani)",
        year=2021,
        what="CNN features, selected by transient search and differential evolution",
        protocol="KDD99, NSL-KDD, BoT-IoT, CICIDS2017",
        figures=(
            *_figures("M", "nsl_kdd", "KDDTest+", accuracy=77.0),
            *_figures("M", "bot_iot", NOT_STATED, accuracy=99.99),
        ),
        note="the NSL-KDD figure is about 77",
    ),
    System(
        name="TSE-IDS (Tama)",
        year=2019,
        what="PSO, ant colony and genetic selection judged by a pruned tree; rotation "
        "forest and bagging",
        protocol="KDDTest+, UNSW-NB15",
        figures=_figures(
            "V", "nsl_kdd", "KDDTest+", accuracy=85.8, recall=86.8, detection_rate=88.0
        ),
    ),
    System(
        name="GBM (Tama & Rhee)",
        year=2017,
        what="gradient boosting, grid search, all features",
        protocol="10-fold or hold-out",
        figures=(
            *_figures("M", "nsl_kdd", "KDDTest+", accuracy=91.82),
            *_figures("M", "nsl_kdd", "KDDTest-21", accuracy=86.51),
            *_figures("M", "unsw_nb15", "official", accuracy=91.31),
        ),
    ),
    System(
        name="CNN-BiLSTM, hierarchical (Jiang)",
        year=2020,
        what="one-sided selection, then SMOTE; CNN and BiLSTM",
        protocol="KDDTest+ 5-class; UNSW-NB15 10-class",
        figures=(
            *_figures("M", "nsl_kdd", "KDDTest+, 5 classes", accuracy=83.58),
            *_figures("M", "unsw_nb15", "official, 10 classes", accuracy=77.16),
        ),
    ),
    System(
        name="WGAN-IDR",
        year=2022,
        what="Wasserstein GAN with DRAGAN-type regularisation",
        protocol="CICIDS2017; train and test on real or synthetic rows in turn",
        figures=(
            *_figures("V", "cic_ids2017", "binary", f1=99.0),
            *_figures("V", "cic_ids2017", "multi-class", f1=98.0),
        ),
    ),
    System(
        name="kNN + TACGAN (Ding)",
        year=2022,
        what="kNN under-sampling of normal rows; tabular auxiliary-classifier GAN",
        protocol="KDD99, UNSW-NB15, CICIDS2017",
        note="92 to 96, from memory",
    ),
    System(
        name="CNN + SMOTE-ENN (Zhang)",
        year=2019,
        what="SMOTE-ENN and a CNN",
        protocol="NSL-KDD",
        figures=_figures("V", "nsl_kdd", NOT_STATED, accuracy=83.31),
    ),
    System(
        name="ADASYN + LightGBM (Liu)",
        year=2021,
        what="normalise, one-hot, ADASYN, LightGBM",
        protocol="three test sets, split not stated",
        figures=(
            *_figures("V", "nsl_kdd", NOT_STATED, accuracy=92.57),
            *_figures("V", "unsw_nb15", NOT_STATED, accuracy=89.56),
            *_figures("V", "cic_ids2017", NOT_STATED, accuracy=99.91),
        ),
    ),
    System(
        name="IGAN-IDS (Huang)",
        year=2020,
        what="FNN features; GAN with an imbalanced-data filter in latent space; CNN",
        protocol="NSL-KDD, UNSW-NB15, CICIDS2017",
        figures=(
            *_figures("M", "nsl_kdd", NOT_STATED, accuracy=84.45),
            *_figures("M", "unsw_nb15", NOT_STATED, accuracy=82.53),
            *_figures("M", "cic_ids2017", NOT_STATED, accuracy=99.79),
        ),
    ),
    System(
        name="DSSTE (Liu)",
        year=2021,
        what="ENN finds the difficult rows; k-means compresses the difficult majority; "
        "difficult minority rows are zoomed in and out",
        protocol="KDDTrain+ -> KDDTest+",
        reference="10.1109/ACCESS.2020.3048198",
        figures=_figures("M", "nsl_kdd", "KDDTest+", accuracy=82.84),
    ),
    System(
        name="balancing + tuning (Elghalhoud)",
        year=2022,
        what="forest, boosting, DNN tuned by TPE, BOHB, PSO after balancing",
        protocol="BoT-IoT",
        note="figures not stated",
    ),
    System(
        name="KDD images (Li)",
        year=2017,
        what="a record as an image; ResNet50 and GoogLeNet, binary",
        protocol="KDDTest+, KDDTest-21",
        figures=(
            *_figures("M", "nsl_kdd", "KDDTest+, ResNet50", accuracy=79.14),
            *_figures("M", "nsl_kdd", "KDDTest-21, ResNet50", accuracy=81.57),
            *_figures("M", "nsl_kdd", "KDDTest+, GoogLeNet", accuracy=77.04),
            *_figures("M", "nsl_kdd", "KDDTest-21, GoogLeNet", accuracy=81.84),
        ),
    ),
    System(
        name="BoT-IoT baselines (Koroniotis)",
        year=2018,
        what="correlation and joint entropy to 10 features; SVM, RNN, LSTM",
        protocol="5 % extract, 4-fold, binary",
        figures=(
            *_figures("M", "bot_iot", "4-fold, SVM", accuracy=88.37),
            *_figures("M", "bot_iot", "4-fold, RNN", accuracy=99.74),
            *_figures("M", "bot_iot", "4-fold, LSTM", accuracy=99.74),
        ),
    ),
    System(
        name="six classifiers (Divekar)",
        year=2018,
        what="NN, SVM, tree, forest, naive Bayes, k-means; SMOTE and under-sampling",
        protocol="KDD99, NSL-KDD, UNSW-NB15",
        note="weighted F1, no single figure",
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Printed:
    """One row of a printed table, in per cent; None where nothing was printed."""

    method: str
    model: str = ""
    """Model and sampler of ours that the row names, where we have them."""
    balance: str = ""
    accuracy: float
    f1: float
    recall: float
    specificity: float | None = None
    precision: float | None = None

    @property
    def is_possible(self) -> bool:
        """Whether accuracy lies between recall and specificity, as it must.

        Accuracy is their mean, weighted by the shares of attacks and of benign rows.
        """
        if self.specificity is None:
            return True
        low, high = sorted((self.recall, self.specificity))
        return low <= self.accuracy <= high

    @property
    def mark(self) -> str:
        """Why the row cannot be right, or nothing."""
        if self.is_possible:
            return ""
        return f"{IMPOSSIBLE}: accuracy outside recall and specificity"


def _comparison(method: str, *percent: float) -> Printed:
    accuracy, recall, f1, specificity = percent
    return Printed(
        method=method, accuracy=accuracy, recall=recall, f1=f1, specificity=specificity
    )


def _performance(method: str, parts: str, *shares: float) -> Printed:
    accuracy, f1, recall, precision = (round(100 * share, 1) for share in shares)
    model, balance = parts.split("-")
    return Printed(
        method=method,
        model=model,
        balance=balance,
        accuracy=accuracy,
        f1=f1,
        recall=recall,
        precision=precision,
    )


PRINTED_COMPARISON: tuple[Printed, ...] = (
    _comparison("SAVAER-DNN", 85, 92, 88, 97),
    _comparison("LQD+DS (LIO-IDS)", 90, 86, 88, 91),
    _comparison("TSOE(feature)+CNN (TSODE)", 78, 80, 77, 89),
    _comparison("CVAE-DNN", 75, 76, 74, 85),
    _comparison("TSE+DS (TSE-IDS)", 90, 90, 89, 91),
    _comparison("CNN + balancing, printed", 93, 95, 93, 97),
    _comparison("DNN + balancing, printed", 95, 92, 90, 98),
)
"""Accuracy, recall, F1, specificity as printed; data set and split not stated."""

PRINTED_PERFORMANCE: tuple[Printed, ...] = (
    _performance("CNN, data balancing", "cnn-hybrid", 0.995, 0.996, 0.995, 0.997),
    _performance("CNN, ROS", "cnn-ros", 0.963, 0.963, 0.963, 0.973),
    _performance("CNN, SMOTE", "cnn-smote", 0.969, 0.969, 0.969, 0.973),
    _performance("CNN, ADASYN", "cnn-adasyn", 0.869, 0.873, 0.860, 0.880),
    _performance(
        "CNN+LSTM, data balancing", "cnn_lstm-hybrid", 0.990, 0.991, 0.991, 0.993
    ),
    _performance("CNN+LSTM, ROS", "cnn_lstm-ros", 0.994, 0.994, 0.994, 0.994),
    _performance("CNN+LSTM, SMOTE", "cnn_lstm-smote", 0.994, 0.994, 0.994, 0.993),
    _performance("CNN+LSTM, ADASYN", "cnn_lstm-adasyn", 0.972, 0.972, 0.972, 0.973),
)
"""Accuracy, F1, recall, precision as printed; data set and split not stated."""


def to_dict() -> dict[str, Any]:
    """Return everything published as plain JSON values."""
    return {
        "tags": dict(TAGS),
        "systems": [asdict(system) for system in SYSTEMS],
        "printed_comparison": [
            asdict(row) | {"mark": row.mark} for row in PRINTED_COMPARISON
        ],
        "printed_performance": [
            asdict(row) | {"mark": row.mark} for row in PRINTED_PERFORMANCE
        ],
    }
