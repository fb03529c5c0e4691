"""The step that tells each generator of rows from the others, on small examples."""

import numpy as np
import pytest

from evenflow import registry
from evenflow.errors import DataError
from evenflow.prepare.balance.gan import GAN

torch = pytest.importorskip("torch")

from evenflow.prepare.balance.gans import (  # noqa: E402
    _autoencoder,
    _heads,
    _source,
    cvae,
    igan,
    savaer,
    tacgan,
    wgan_gp,
    wgan_idr,
)

GENERATORS = [
    name
    for name in registry.names("balance")
    if hasattr(registry.load("balance", name), "network")
]


def source_of(X, y, layout=None, growing=(), seed=1):
    return _source.Source.of(X, y, layout=layout, growing=np.array(growing), seed=seed)


def two_clouds():
    """Return 200 rows about -1 and 20 rows about +1, in three columns."""
    rng = np.random.default_rng(0)
    X = rng.normal(0, 0.1, size=(220, 3)) + np.repeat([[-1], [1]], [200, 20], axis=0)
    return X.astype(np.float32), np.repeat([0, 1], [200, 20])


def small(name, **params):
    """Return a sampler whose networks are small and learn in a few steps."""
    accepted = registry.parameters("balance", name)
    width = 32 if name in ("gan", "cgan", "wgan_idr", "tacgan") else (16,)
    given = {"steps": 2, "batch_size": 32, "random_state": 1, "hidden": width} | params
    given |= {"feature_steps": given["steps"], "n_features": 8}
    chosen = {k: given[k] for k in given.keys() & accepted}
    return registry.load("balance", name)(**chosen, random_state=given["random_state"])


# -- what all generators share


def test_every_file_of_the_room_has_its_sampler():
    from importlib import resources

    folder = resources.files("evenflow") / "prepare" / "balance" / "gans"
    files = {p.name[:-3] for p in folder.iterdir() if p.name.endswith(".py")}
    used = {registry.load("balance", name).network for name in GENERATORS}
    assert used == {name for name in files if not name.startswith("_")}


@pytest.mark.slow
@pytest.mark.parametrize("name", GENERATORS)
def test_a_made_row_lies_among_the_rows_of_its_class(name):
    X, y = two_clouds()
    steps = 500 if name == "igan" else 100
    made = small(name, steps=steps, sampling_strategy={1: 120})
    X_new, _ = made.fit_resample(X, y)
    assert (np.median(X_new[220:], axis=0) > 0).all()


@pytest.mark.parametrize("name", GENERATORS)
def test_another_seed_makes_other_rows(name):
    X, y = two_clouds()
    one, other = (small(name, random_state=seed).fit_resample(X, y) for seed in (1, 2))
    assert not np.array_equal(one[0], other[0])


@pytest.mark.parametrize("name", GENERATORS)
def test_training_leaves_the_state_of_torch_as_it_was(name):
    X, y = two_clouds()
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    small(name).fit_resample(X, y)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_each_class_is_drawn_equally_often():
    X, y = two_clouds()
    rows, classes = source_of(X, y).draw(4000)
    assert classes.mean(dim=0).tolist() == pytest.approx([0.5, 0.5], abs=0.03)
    # on the scale, rows of the second class are those above 0
    assert torch.equal(rows.mean(dim=1) > 0, classes.argmax(dim=1) == 1)


def test_a_generator_learns_from_the_classes_that_grow_unless_it_says_otherwise():
    X, y = two_clouds()
    for name in GENERATORS:
        made = small(name)
        made.fit_resample(X, y)
        n = 220 if name in ("cvae", "savaer", "igan") else 20
        assert f"networks learnt from {n} rows" in made.notes_[0]
        assert f": {made._n_steps} steps of" in made.notes_[0]
        if name == "igan":
            assert "from features of class 1 alone" in made.notes_[-1]


# -- gan and wgan_idr: where the critic is held smooth


def test_the_penalty_of_the_gan_lies_between_real_and_made_rows():
    real, made = torch.zeros(50, 2), torch.ones(50, 2)
    points = wgan_gp.between(real, made, torch.Generator().manual_seed(0))
    assert ((points > 0) & (points < 1)).all()
    assert torch.equal(points[:, 0], points[:, 1])  # one share for a row
    assert points[:, 0].std() > 0.2


def test_the_penalty_of_wgan_idr_does_not_depend_on_made_rows():
    real = torch.randn(50, 2, generator=torch.Generator().manual_seed(1))
    near, far = (
        wgan_idr.around(real, made, torch.Generator().manual_seed(0))
        for made in (torch.zeros(50, 2), torch.full((50, 2), 9.0))
    )
    assert torch.equal(near, far)
    shift = near - real
    assert ((shift >= 0) & (shift <= 0.5 * real.std())).all()
    assert shift.std() > 0.1 * real.std()


# -- cvae: reject what it cannot reconstruct, read rows through the encoder


def test_the_loss_of_reconstruction_is_the_cross_entropy_of_each_column():
    zero, one = np.zeros(3, np.float32), np.ones(3, np.float32)
    scale = _heads.Scale(center=zero, half=one, blocks=((1, 3),))
    decoder = _autoencoder.Decoder(2, (4,), 3, scale)
    rows = torch.tensor([[1.0, 0.0, 1.0]])
    # a number at the upper end of its range with even odds, a category at 3 : 1
    logits = torch.tensor([[0.0, 0.0, np.log(3.0)]], dtype=torch.float32)
    expected = np.log(2) + np.log(4 / 3)
    assert decoder.loss(logits, rows).item() == pytest.approx(expected, abs=1e-6)


def test_the_divergence_of_a_code_from_the_prior_is_that_of_the_textbook():
    encoder = _autoencoder.Encoder(1, (), 1)
    with torch.no_grad():
        for part, value in ((encoder.mean, 2.0), (encoder.log_variance, np.log(4.0))):
            part.weight.zero_()
            part.bias.fill_(value)
    _, gap = encoder.drawn(torch.zeros(1, 1), torch.Generator())
    # of N(2, 4) from N(0, 1): (4 + 4 - 1 - ln 4) / 2
    assert gap.item() == pytest.approx((7 - np.log(4)) / 2, abs=1e-5)


def rejecting(losses, most):
    """Return a generator whose n-th row has the n-th loss, over and over."""
    X, y = two_clouds()
    count = iter(range(10**6))

    def generate(classes):
        return torch.tensor([[next(count), 0.0, 0.0] for _ in classes])

    return cvae.Tested(
        source=source_of(X, y),
        generate=generate,
        loss=lambda rows, _: torch.tensor(losses)[rows[:, 0].long() % len(losses)],
        most=torch.tensor(most),
    )


def decoded(model, numbers):
    rows = torch.zeros(len(numbers), 3)
    rows[:, 0] = torch.tensor(numbers, dtype=torch.float32)
    return model.source.scale.decode(rows)


def test_a_row_beyond_the_greatest_loss_of_its_class_is_made_again():
    model = rejecting([0.1, 0.9, 0.2, 0.8], most=[0.0, 0.5])
    made = model.make(1, 2)
    # of rows 0 and 1 the second is rejected, and row 2 is made in its place
    np.testing.assert_array_equal(made, decoded(model, [0, 2]))
    assert model.notes == [
        "class 1: 1 of 3 rows made have a loss of reconstruction over 0.5, the most "
        "allowed"
    ]


def test_rows_of_the_least_loss_fill_up_a_class_that_all_are_rejected_of():
    model = rejecting([0.9, 0.7, 0.8, 0.6], most=[0.0, 0.5])
    made = model.make(1, 2)
    np.testing.assert_array_equal(made, decoded(model, [3, 7]))
    assert "2 of them are kept" in model.notes[1]


def test_the_greatest_loss_is_that_of_the_training_rows_of_each_class():
    X, y = two_clouds()
    source = source_of(X, y)
    most = cvae.greatest(source, lambda rows, _: rows[:, 0])
    wanted = [source.rows[y == c, 0].max().item() for c in (0, 1)]
    assert most.tolist() == pytest.approx([max(wanted[0], 0), wanted[1]])


@pytest.mark.parametrize("name", ["cvae", "savaer"])
def test_the_encoder_reads_prepared_rows_as_it_read_those_of_the_scale(name, prepared):
    X, y, layout = prepared
    module, more = {
        "cvae": (cvae, {"loss_scale": 1.0}), "savaer": (savaer, {"adversary": 1.0}),
    }[name]  # fmt: skip
    config = module.Config(steps=1, batch_size=8, hidden=(6, 5), n_latent=4, **more)
    encoder = _autoencoder.Encoder(X.shape[1], config.hidden, config.n_latent)
    source = source_of(X, y, layout)
    *hidden, (weight, bias) = encoder.layers(source.scale)
    h = X
    for w, b in hidden:
        h = np.maximum(h @ w.T + b, 0)
    h = h @ weight.T + bias
    with torch.no_grad():
        mean, _ = encoder(source.rows)
    np.testing.assert_allclose(h, mean.numpy(), atol=1e-3)
    trained = module.train(source, config, lambda: None)
    assert [w.shape for w, _ in trained.encoder] == [
        (6, X.shape[1]), (5, 6), (4, 5)
    ]  # fmt: skip


# -- savaer: a critic holds the codes to the prior


def test_the_critic_of_savaer_scores_the_prior_above_the_codes():
    line, none = torch.tensor([[0.6], [0.8]]), torch.zeros(50, 0)
    drawn, codes = torch.zeros(50, 2), torch.full((50, 2), 2.0)

    def loss(real, made):
        return wgan_gp.critic_loss(lambda z: z @ line, real, made, real, none).item()

    # a gradient of norm 1 is not penalised: scores alone count, 2.8 apart
    assert loss(drawn, codes) == pytest.approx(2.8)
    assert loss(codes, drawn) == pytest.approx(-2.8)


# -- igan: a filter, convolution, rows by the decoder


def test_only_rows_of_growing_classes_pass_the_filter_of_igan():
    X, y = two_clouds()
    X, y = np.concatenate([X, X[:20] + 5]), np.concatenate([y, np.full(20, 7)])
    source = source_of(X, y, growing=[7])
    codes = igan.filtered(source)
    rows, classes = source.draw_of(300, codes)
    assert source.labels[codes.numpy()].tolist() == [7]
    assert (classes.argmax(dim=1) == 2).all()
    there = source.rows[240 - 20 :]
    assert all((row == there).all(dim=1).any() for row in rows)


IGAN = igan.Config(
    steps=1, batch_size=2, feature_steps=1, hidden=(8,), n_features=16, channels=4,
    n_latent=3,
)  # fmt: skip


def test_igan_convolves_along_features():
    judge = igan.Discriminator(2, IGAN)
    assert sum(isinstance(part, torch.nn.Conv1d) for part in judge.modules()) == 2
    made = igan.Generator(2, IGAN)(torch.eye(2), torch.Generator())
    assert made.shape == (2, 16)
    assert judge(made, torch.eye(2)).shape == (2, 1)


@pytest.mark.parametrize("name", ["igan", "gan"])
def test_what_a_discriminator_takes_for_real_depends_on_the_class(name):
    torch.manual_seed(0)
    if name == "igan":
        judge = igan.Discriminator(2, IGAN)
    else:
        critic = wgan_gp.critic(18, hidden=8)

        def judge(rows, classes):
            return critic(torch.cat([rows, classes], dim=1))

    one, other = torch.randn(2, 1, 16)
    gaps = [(judge(one, c) - judge(other, c)).item() for c in torch.eye(2)[:, None]]
    # a class that only shifts the logits would leave the gap as it is
    assert abs(gaps[0] - gaps[1]) > 1e-4


def test_features_that_cannot_be_convolved_are_refused():
    X, y = two_clouds()
    sampler = registry.load("balance", "igan")(n_features=6)
    with pytest.raises(DataError, match="n_features is 6; expected a multiple of 4"):
        sampler.fit_resample(X, y)


# -- tacgan: two losses of information


def test_equal_features_have_lost_no_information():
    f = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    mean, spread = tacgan.information(f, f[torch.randperm(30)])
    assert (mean.item(), spread.item()) == pytest.approx((0, 0), abs=1e-5)


def test_equal_rows_have_a_gradient_in_the_losses_of_information():
    f = torch.ones(5, 3, requires_grad=True)
    mean, spread = tacgan.information(torch.randn(5, 3), f)
    (mean + spread).backward()
    assert torch.isfinite(f.grad).all()


def test_the_second_head_of_tacgan_names_classes():
    features, real, label = tacgan.Judge(7, 3, 5)(torch.zeros(4, 7))
    assert (features.shape, real.shape, label.shape) == ((4, 5), (4, 1), (4, 3))


# -- knn_under_tacgan: both parts, in their order


def test_the_compound_drops_benign_rows_and_grows_attacks():
    X, y = two_clouds()
    sampler = registry.load("balance", "knn_under_tacgan")(
        n_benign=50, max_rows_per_class=80, steps=2, random_state=1
    )
    cut = registry.load("balance", "knn_under")(max_rows_per_class=50)
    X_new, y_new = sampler.fit_resample(X, y)
    X_cut, _ = cut.fit_resample(X, y)
    np.testing.assert_array_equal(X_new[: len(X_cut)], X_cut)
    assert np.bincount(y_new).tolist() == [50, 50]
    assert "dropped 150 benign rows" in sampler.notes_[0]
    assert "networks learnt from 20 rows" in sampler.notes_[1]


# -- what a published result rests on


def test_the_gan_makes_the_rows_that_published_results_were_trained_on(prepared):
    """The common parts may change; the rows of the measured ``gan`` may not."""
    X, y, layout = prepared
    made = GAN(max_rows_per_class=300, steps=2, random_state=7)
    X_new, _ = made.fit_resample(X, y, layout=layout)
    new = X_new[len(X) :, : layout.n_numeric].astype(np.float64)
    # by the file before it was divided into common parts
    assert (new.mean(), new.std()) == pytest.approx((0.97192, 2.03033), abs=1e-3)
