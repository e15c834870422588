"""Widgets without a browser: every control through its range, every number the module's."""

import itertools
import re

import ipywidgets
import pytest
import torch
from matplotlib.colors import to_rgb

from grpo_mini import load_policy
from grpo_mini.advantages import compute_relative_rewards, gae, leave_one_out, standardize
from grpo_mini.course import ExactPolicy, GradientCloud, SamplingTree, predictions, widgets
from grpo_mini.course.widgets import moving, page
from grpo_mini.course.widgets.base import Lab, slider
from grpo_mini.experiments.look import REFERENCE
from grpo_mini.losses import clipped_surrogate, entropy, kl_penalty, token_weights
from grpo_mini.models import TINY_QWEN

POLICY = ExactPolicy([0.5, 1.2, 0.0, -0.5, 0.8])
REWARDS = torch.tensor([1.0, 0.2, 0.0, 2.0, 0.5])


def sampling_tree() -> SamplingTree:
    return SamplingTree(*load_policy(str(TINY_QWEN)))


def gradient_cloud() -> GradientCloud:
    return GradientCloud(POLICY, REWARDS)


LABS = [*(getattr(widgets, name) for name in widgets.__all__), sampling_tree, gradient_cloud]


def ends(control) -> list:
    """The corners and a middle of a control's range."""
    if isinstance(control, ipywidgets.Dropdown):
        return list(control.options)
    if isinstance(control, ipywidgets.Checkbox):
        return [False, True]
    middle = control.min + round((control.max - control.min) / control.step / 2) * control.step
    return [control.min, middle, control.max]


def whole_range(control) -> list:
    if isinstance(control, ipywidgets.Dropdown | ipywidgets.Checkbox):
        return ends(control)
    number = round((control.max - control.min) / control.step)
    stride = max(1, number // 12)
    return [control.min + i * control.step for i in range(0, number + 1, stride)] + [control.max]


@pytest.fixture
def without_pictures(monkeypatch):
    """Drawing is tested apart; here the numbers and the sentences count."""
    monkeypatch.setattr(Lab, "render", lambda self: b"")


@pytest.mark.parametrize("kind", LABS)
def test_every_control_moves_through_its_whole_range(kind, without_pictures):
    lab = kind()
    for control in lab.controls.values():
        start = control.value
        for value in whole_range(control):
            control.value = value
            assert "nan" not in lab.words.value.lower(), lab.state
            assert lab.numbers == lab.compute(lab.state)
        control.value = start


@pytest.mark.parametrize("kind", LABS)
def test_every_pair_of_corners_is_drawn(kind):
    """Each two controls in their corners at once: nothing raises, the picture has its size."""
    lab = kind()
    names = [name for name in lab.controls if not re.fullmatch(r"r([3-9]|1\d)", name)]
    seen = 0
    for first, second in itertools.combinations(names, 2):
        for a, b in ((0, 0), (-1, -1), (0, -1)):
            lab.set(**{first: ends(lab.controls[first])[a], second: ends(lab.controls[second])[b]})
            assert lab.picture.value[:5] == b"<?xml"
            seen += 1
        lab.reset()
        if seen > 60:
            break


@pytest.mark.parametrize("kind", LABS)
def test_a_change_changes_picture_and_sentence_and_reset_brings_both_back(kind):
    lab = kind()
    before = lab.picture.value, lab.words.value
    control = next(iter(lab.controls.values()))
    control.value = ends(control)[-1] if control.value != ends(control)[-1] else ends(control)[0]
    assert lab.picture.value != before[0] and lab.words.value != before[1]
    lab.reset()
    assert (lab.picture.value, lab.words.value) == before


@pytest.mark.parametrize("kind", LABS)
def test_a_control_is_disabled_exactly_where_it_would_change_nothing(kind, without_pictures):
    """Disabled, it says why; from any preset, with each control in both of its corners."""
    lab = kind()
    for preset in [None, *lab.presets]:
        lab.reset() if preset is None else lab.preset(preset)
        state = lab.state
        for name, control in lab.controls.items():
            if name not in lab.idle(state):
                own = f"reward {name[1:]}" if re.fullmatch(r"r\d+", name) else control.description
                assert not control.disabled and control.tooltip == own
                continue
            assert control.disabled and len(control.tooltip) > len(control.description) + 10
            said, numbers = lab.words.value, lab.numbers
            for value in ends(control):
                changed = lab.compute(state | {name: value})
                assert lab.sentence(changed) in said
                drawn = {key: v for key, v in changed.items() if key != name}
                assert drawn == {key: v for key, v in numbers.items() if key != name}


@pytest.mark.parametrize("kind", LABS)
def test_each_preset_is_a_state_of_its_own(kind, without_pictures):
    lab = kind()
    states = {}
    for name in lab.presets:
        lab.preset(name)
        states[name] = str(lab.state)
    assert len(set(states.values())) == len(states) >= 3


@pytest.mark.parametrize("kind", LABS)
def test_the_controls_of_the_view_are_all_there_and_named(kind):
    lab = kind()
    labels = [control.description for control in lab.controls.values()]
    assert all(labels) and len(set(labels)) == len(labels)
    assert lab.title and lab.question.startswith("Predict")


@pytest.mark.parametrize("kind", LABS)
def test_the_static_view_has_picture_and_sentence(kind):
    lab = kind()
    stored, text = lab.static()
    assert "<img class='grpo-picture' alt=" in stored
    assert "data:image/png;base64," in stored
    assert lab.sentence(lab.numbers) in stored and page.plain(lab.sentence(lab.numbers)) in text
    assert "Run this cell" in stored


def test_a_cell_has_the_picture_and_the_live_widget(monkeypatch):
    shown = []
    monkeypatch.setattr(page, "display", lambda data, raw: shown.append(set(data)))
    widgets.GroupSize()._ipython_display_()
    live = "application/vnd.jupyter.widget-view+json"
    assert shown == [{"text/html", "text/plain"}, {live}]


@pytest.mark.parametrize("kind", LABS)
def test_starts_and_presets_lie_on_their_sliders_steps(kind):
    """A browser moves what lies between two steps to one of them, and tells the kernel so."""
    lab = kind()
    for values in (lab.start, *lab.presets.values()):
        for name, value in values.items():
            control = lab.controls[name]
            if hasattr(control, "step"):
                steps = (value - control.min) / control.step
                assert steps == pytest.approx(round(steps), abs=1e-6), (name, value)


@pytest.mark.parametrize(
    ("typed", "kept"),  # as noUiSlider counts: in percent of the range, in steps of 1.25
    [(0.1, 0.10000000000000009), (0.3, 0.30000000000000004), (0.7, 0.7), (2.99, 3.0), (9, 3.0)],
)
def test_a_slider_keeps_the_number_that_the_page_would_answer(typed, kept):
    control = slider("reward", 0.0, -1.0, 3.0, 0.05)
    control.value = typed
    assert control.value == kept


def test_an_exception_in_a_callback_is_not_swallowed(monkeypatch):
    """The planted one: a test that moves a control would see it."""
    lab = widgets.GroupSize()

    def broken(state):
        raise ZeroDivisionError("planted")

    monkeypatch.setattr(lab, "compute", broken)
    with pytest.raises(ZeroDivisionError, match="planted"):
        lab.controls["p"].value = 0.77


def test_an_unknown_control_is_refused():
    with pytest.raises(ValueError, match="no control {'q'}; there are: p, group_size"):
        widgets.GroupSize().set(q=1)


# ---------------------------------------------------------------------------- whose numbers


def start(kind, **values) -> dict:
    return predictions.numbers(kind, **values)


@pytest.mark.parametrize("size", [2, 4, 16])
@pytest.mark.parametrize("scale", ["none", "group std (ddof 1)", "group std (ddof 0)"])
def test_the_mixer_shows_the_modules_relative_rewards(size, scale):
    values = {f"r{i}": (i * 37 % 11) / 4 - 1 for i in range(1, 17)}
    shown = start(widgets.AdvantageMixer, group_size=size, scale=scale, relative_weight=0.5,
                  baseline_weight=0.3, **values)  # fmt: skip
    rewards = torch.tensor([values[f"r{i}"] for i in range(1, size + 1)])
    expected, _ = compute_relative_rewards(
        rewards, size, scale != "none", 0 if "0" in scale else 1,
        relative_reward_weight=0.5, baseline_reward_weight=0.3,
    )  # fmt: skip
    assert shown["advantages"] == pytest.approx(expected.tolist(), abs=1e-5)


def test_the_mixer_shows_leave_one_out_batch_mean_critic_and_none():
    rewards = torch.tensor([1.0, 0.0, 0.0, 0.0])
    found = {
        name: start(widgets.AdvantageMixer, scale="none", baseline=name)["advantages"]
        for name in ("leave-one-out", "batch mean", "critic V", "none")
    }
    assert found["leave-one-out"] == pytest.approx(leave_one_out(rewards, 4).tolist())
    assert found["batch mean"] == pytest.approx((rewards - 0.5).tolist())  # with a group of 3 of 4
    assert found["critic V"] == pytest.approx((rewards - 0.5).tolist())
    assert found["none"] == rewards.tolist()


def test_the_mixers_scale_without_the_groups_mean_is_the_groups_std():
    shown = start(widgets.AdvantageMixer, baseline="none")["advantages"]
    rewards = torch.tensor([1.0, 0.0, 0.0, 0.0])
    assert shown == pytest.approx((rewards / rewards.std()).tolist(), abs=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_equal_rewards_have_no_advantage_in_the_mixer(value):
    equal = {f"r{i}": value for i in range(1, 17)}
    for scale in ("none", "group std (ddof 1)"):
        shown = start(widgets.AdvantageMixer, group_size=16, scale=scale, **equal)
        assert shown["silent"] and shown["advantages"] == [0.0] * 16


def test_the_stack_shows_the_factor_of_silent_groups():
    for silent in (0, 1, 5, 9):
        shown = start(widgets.NormalisationStack, batch=True, silent=silent)
        share = shown["silent_share"]
        assert share == pytest.approx(silent / (silent + 3))
        # ddof 1 inside the group, 0 in the batch: the factor is theirs times 1 / sqrt(1 - f).
        expected = (8 / 7) ** 0.5 / (1 - share) ** 0.5
        assert shown["factor"] == pytest.approx(expected, rel=1e-4)


def test_the_stack_stages_are_the_modules():
    shown = start(widgets.NormalisationStack, std=False, batch=True, silent=0)
    rewards = torch.tensor([[1.0] * k + [0.0] * (8 - k) for k in (7, 4, 1)]).flatten()
    centred, _ = compute_relative_rewards(rewards, 8, normalize=False)
    expected = standardize(centred).tolist()
    assert [v for row in shown["advantages"] for v in row] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("size", [2, 4, 16, 32])
def test_group_size_agrees_with_theory(p, size):
    shown = start(widgets.GroupSize, p=p, group_size=size)
    assert shown["silent"] == pytest.approx(p**size + (1 - p) ** size, abs=1e-9)
    assert shown["noise"] == pytest.approx((p * (1 - p) / size) ** 0.5, abs=1e-6)
    assert shown["shrinkage"] == pytest.approx((size - 1) / size if 0 < p < 1 else 1, abs=1e-5)


@pytest.mark.parametrize(("size", "ratio"), [(2, 1.00), (4, 1.07), (8, 1.41), (16, 1.93)])
def test_difficulty_agrees_with_the_literature(size, ratio):
    """w(.01) / w(.5), by enumeration in the derivation that the course quotes."""
    weight = widgets.difficulty.weight
    assert weight(0.01, size, True) / weight(0.5, size, True) == pytest.approx(ratio, abs=0.006)
    assert weight(0.01, size, False) == pytest.approx((size - 1) / size, abs=1e-5)


def test_length_shows_the_modules_weights():
    shown = start(widgets.Length, first=3, second=5)
    mask = torch.tensor([[1.0, 1, 1, 0, 0], [1.0, 1, 1, 1, 1]])
    for mode in ("sequence", "token", "constant"):
        expected = token_weights(mask, mode, 64)
        assert shown["token"][mode] == pytest.approx(expected[:, 0].tolist())
        assert shown["total"][mode] == pytest.approx(expected.sum(dim=1).tolist())


def test_gae_explorer_shows_the_modules_gae():
    shown = start(widgets.GAEExplorer, gamma=0.9, lam=0.5, error=0.3, reward=-0.5)
    rewards = torch.zeros(1, 8)
    rewards[0, -1] = -0.5
    values = torch.tensor([shown["values"]])
    expected, _ = gae(rewards, values, torch.ones(1, 8), 0.9, 0.5)
    assert shown["advantages"] == pytest.approx(expected[0].tolist(), abs=1e-6)
    assert shown["flat"] == [-1.0] * 8


@pytest.mark.parametrize(
    ("ratio", "advantage", "pull"),
    [(1.5, 1.0, 0.0), (0.5, 1.0, 0.5), (0.5, -1.0, 0.0), (1.5, -1.0, -1.5), (1.0, 0.0, 0.0)],
)
def test_clip_explorer_is_right_in_all_four_cells(ratio, advantage, pull):
    shown = start(widgets.ClipExplorer, ratio=ratio, advantage=advantage)
    assert shown["pull"] == pytest.approx(pull, abs=1e-6)
    loss = clipped_surrogate(torch.tensor([ratio]).log(), torch.zeros(1), torch.tensor([advantage]))
    assert shown["here"] == pytest.approx(-loss.item(), abs=1e-6)


@pytest.mark.parametrize(
    ("ratio", "advantage", "here", "pull"),
    [(3.5, -1.0, -3.0, 0.0), (2.5, -1.0, -2.5, -2.5), (3.5, 1.0, 1.2, 0.0), (0.5, -1.0, -0.8, 0.0)],
)
def test_clip_explorer_with_the_dual_clip(ratio, advantage, here, pull):
    shown = start(widgets.ClipExplorer, ratio=ratio, advantage=advantage, dual=True, bound=3.0)
    assert (shown["here"], shown["pull"]) == pytest.approx((here, pull), abs=1e-5)
    beyond = "beyond the dual clip" in widgets.ClipExplorer.sentence(shown)
    assert beyond == (ratio == 3.5 and advantage < 0)


def test_kl_explorer_shows_the_modules_estimators_and_their_gradients():
    shown = start(widgets.KLEstimators)
    pi = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64).log_softmax(0)
    ref = torch.tensor([-0.5, 0.5, 0.0], dtype=torch.float64).log_softmax(0)
    for name in ("k1", "k2", "k3"):
        assert shown["mean"][name] == pytest.approx((pi.exp() @ kl_penalty(pi, ref, name)).item())
    assert shown["gradient"]["k1"] == pytest.approx([0, 0, 0], abs=1e-12)
    assert shown["gradient"]["k2"] == pytest.approx(shown["gradient"]["KL(pi||ref)"])
    assert shown["gradient"]["k3"] == pytest.approx(shown["gradient"]["KL(ref||pi)"])


def test_the_sampling_tree_shows_the_models_probabilities_and_entropies():
    """Against an own walk: the model is asked afresh for every path drawn."""
    lab = sampling_tree()
    model, tokenizer = load_policy(str(TINY_QWEN))
    lab.set(temperature=1.7, start="<answer>")
    prompt = "<|im_start|>17+25+38=<|im_end|><|im_start|><answer>"
    for leaf, shown in enumerate(lab.numbers["paths"][2]):
        names = [lab.numbers["names"][level][leaf // each] for level, each in enumerate((6, 3, 1))]
        names = [tokenizer.eos_token if name == "end" else name for name in names]
        text, chance = prompt, 1.0
        for name in names:
            ids = tokenizer(text, add_special_tokens=False, return_tensors="pt").input_ids
            probs = (model(ids).logits[0, -1] / 1.7).softmax(dim=-1)
            chance *= probs[tokenizer.convert_tokens_to_ids(name)].item()
            text += name
        assert shown == pytest.approx(chance, rel=1e-3, abs=1e-7), names
    ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt").input_ids
    expected = entropy(model(ids).logits[:, -1:], 1.7).item()
    assert lab.numbers["entropies"][0] == pytest.approx(expected, rel=1e-4)


def test_heat_flattens_the_tree_and_never_changes_its_tokens():
    lab = sampling_tree()
    names, first = lab.numbers["names"], []
    for temperature in (0.1, 1.0, 3.0):
        lab.set(temperature=temperature)
        assert lab.numbers["names"] == names
        first.append(lab.numbers["entropies"][0])
    assert first == sorted(first) and first[2] > first[1] + 0.5


@pytest.mark.parametrize("size", [2, 5])
def test_the_clouds_own_mean_shrinks_the_gradient_and_leave_one_out_does_not(size):
    """Against the expectation over all groups, which the widget does not know."""
    lab = gradient_cloud()
    exact = POLICY.gradient(REWARDS)
    centred = POLICY.expected_group_gradient(REWARDS, size, lambda r: r - r.mean())
    for baseline, expected in (("own mean", centred), ("leave-one-out", exact), ("none", exact)):
        lab.set(baseline=baseline, size=size)
        along = (expected @ exact / exact.square().sum()).item()
        slack = 4 * lab.numbers["chance"] / exact.norm().item()
        assert lab.numbers["along"] == pytest.approx(along, abs=slack), baseline
        assert ("a bias" in lab.words.value) == (baseline == "own mean")


def test_the_clouds_spread_is_the_exact_variance():
    lab = gradient_cloud()
    found = []
    for name, baseline in (("none", 0.0), ("expected reward", POLICY.expected_reward(REWARDS))):
        for size in (2, 16):
            lab.set(baseline=name, size=size)
            expected = POLICY.variance(REWARDS, baseline).item() / size
            assert lab.numbers["variances"][name] == pytest.approx(expected, rel=0.15)
            found.append(lab.picture.value)
    assert len(set(found)) == 4


def biased(**values) -> dict:
    return start(widgets.BiasLab, **values)


@pytest.mark.parametrize("std", [True, False])
def test_the_bias_lab_shows_the_modules_advantages_of_true_and_paid_rewards(std):
    shown = biased(offset=1.0, scale=2.0, per_character=0.02, flipped=2, noise=0.5, std=std)
    for rewards, advantages in (("rewards", "fair"), ("paid", "biased")):
        expected, _ = compute_relative_rewards(torch.tensor(shown[rewards]), 6, normalize=std)
        assert shown[advantages] == pytest.approx(expected.tolist(), abs=1e-5)
    flipped = biased(flipped=1, per_character=0.02)["paid"]
    lengths = torch.tensor(widgets.bias.LENGTHS)
    right = torch.tensor([0.0, 1, 0, 0, 0, 0]) + 0.02 * lengths
    assert flipped == pytest.approx(right.tolist())


def test_the_bias_lab_with_a_critic_subtracts_its_value():
    shown = biased(baseline="critic V", value=0.4, std=False, offset=2.0)
    assert shown["biased"] == pytest.approx([r - 0.4 for r in shown["paid"]], abs=1e-6)
    scaled = biased(baseline="critic V", value=0.4)["fair"]
    std = torch.tensor(shown["rewards"]).std().item()
    assert scaled == pytest.approx([(r - 0.4) / std for r in shown["rewards"]], abs=1e-5)


def test_the_bias_lab_says_what_the_group_cancels():
    cancelled = ({"offset": 2.0}, {"scale": 3.0}, {"offset": -3.0, "scale": 0.2, "std": True})
    for values in cancelled:
        shown = biased(**values)
        assert shown["largest"] < 1e-4 and not shown["turned"] and not shown["swapped"]
        assert "nothing is left" in widgets.BiasLab.sentence(shown)
    shown = biased(scale=3.0, std=False)
    assert shown["largest"] > 1 and not shown["turned"] and not shown["swapped"]
    shown = biased(offset=2.0, baseline="critic V")
    assert shown["turned"] == [3, 4, 5, 6] and not shown["swapped"]
    assert "another side of 0 than they deserve: <b>3, 4, 5, 6</b>" in widgets.BiasLab.sentence(
        shown
    )
    shown = biased(per_character=0.05)
    assert (
        (1, 4) in shown["swapped"] and (1, 6) in shown["swapped"] and (2, 4) not in shown["swapped"]
    )
    assert "the order is wrong in 2 of 8 pairs" in widgets.BiasLab.sentence(shown)
    assert biased(flipped=1)["swapped"] == [(1, j) for j in (3, 4, 5, 6)]  # a tie is no order


# ---------------------------------------------------------------------------- predictions

RIGHT = {"5.A": 1, "5.B": 2, "5.C": 2, "5.D": 2, "5.E": 0, "5.F": 2, "5.G": 1, "5.H": 0,
         "5.I": 2, "9.A": 2, "9.B": 0, "9.C": 2}  # fmt: skip


def test_the_right_option_may_stand_anywhere():
    places = [place for number, place in RIGHT.items() if number.startswith("5")]
    assert all(places.count(place) >= 2 for place in range(3))


@pytest.mark.parametrize("number", predictions.QUESTIONS)
def test_the_verdict_comes_from_the_widgets_numbers(number):
    assert predictions.QUESTIONS[number].verdict()[0] == RIGHT[number]


@pytest.mark.parametrize("number", predictions.QUESTIONS)
def test_committing_gives_the_verdict_once(number):
    question = predictions.predict(number)
    assert "Choose first" in question.commit()
    assert question.committed is None
    wrong = (RIGHT[number] + 1) % 3
    assert "Not quite: " in question.commit(wrong) and question.options.disabled
    assert "<b>Yes.</b>" in predictions.predict(number).commit(RIGHT[number])


def test_an_unknown_question_is_refused():
    with pytest.raises(ValueError, match="no question '9.9'"):
        predictions.predict("9.9")


# ---------------------------------------------------------------------------- moving distribution


@pytest.mark.parametrize("baseline", [0.0, 0.5, 2.5])
def test_what_moves_the_distribution_is_the_gradient_on_average(baseline):
    """Over all pairs that may be drawn: REINFORCE's push is exact, with any baseline."""
    found = POLICY.expected_group_gradient(
        moving.REWARDS, 2, lambda r: moving.advantages_of("REINFORCE", r, baseline, 0.0)
    )
    assert torch.allclose(found, POLICY.gradient(moving.REWARDS), atol=1e-6)
    tokens = torch.tensor([3, 0])
    advantages = moving.advantages_of("REINFORCE", moving.REWARDS[tokens], baseline, 0.0)
    rows = POLICY.estimates(moving.REWARDS, baseline)[tokens]
    assert torch.allclose(moving.push(POLICY.probs, tokens, advantages), rows.mean(dim=0))


def test_each_algorithm_has_its_own_advantages():
    rewards = torch.tensor([2.0, 0.2, 0.2, 1.0])
    assert torch.equal(
        moving.advantages_of("GRPO", rewards, 9.0, 9.0), compute_relative_rewards(rewards, 4)[0]
    )
    expected = standardize(rewards - 0.7)
    assert torch.equal(moving.advantages_of("PPO", rewards, 9.0, 0.7), expected)
    assert not moving.advantages_of("GRPO", torch.full((4,), 2.0), 0.0, 0.0).any()


def test_a_silent_step_is_grey_moves_nothing_and_says_so():
    lab = moving.MovingDistribution()
    for name in lab.presets:
        lab.preset(name)
        silent = lab.numbers["method"] == "GRPO" and lab.numbers["alike"]
        assert ("silent" in lab.words.value) == silent
        colours = {bar.get_facecolor()[:3] for bar in lab.drawn().axes[0].patches[5:10]}
        grey = to_rgb(REFERENCE) in colours
        assert grey == lab.numbers["still"] == (max(map(abs, lab.numbers["change"])) < 1e-6)
    assert silent, "the last preset is of one"


def test_the_walk_begins_where_it_says_and_its_rewards_are_its_policys():
    rows = moving.walk("PPO", 0.0, 4, 0.5, 1)
    assert rows[0]["probs"] == pytest.approx(POLICY.probs.tolist(), abs=1e-6)
    for row, after in itertools.pairwise(rows):
        policy = torch.tensor(row["probs"])
        assert row["reward"] == pytest.approx((policy @ moving.REWARDS).item())
        moved = [p + c for p, c in zip(row["probs"], row["change"], strict=True)]
        assert after["probs"] == pytest.approx(moved, abs=1e-6)


# ---------------------------------------------------------------------------- what is kept


@pytest.mark.parametrize("kind", LABS)
def test_a_picture_holds_what_was_drawn_last_and_nothing_more(kind):
    """Panels stay from picture to picture: a bar or a name that stayed too would pile up."""

    def shown(lab) -> list[list[str]]:
        held = [lab.figure.get_children()]
        for axes in lab.figure.axes:
            held += [axes.get_children(), axes.containers]
        return [[type(artist).__name__ for artist in some] for some in held]

    lab = kind()
    before = shown(lab)
    for name in [*lab.presets, *lab.presets]:
        lab.preset(name)
    lab.reset()
    assert shown(lab) == before
