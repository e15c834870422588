"""The diff of ppo.py and grpo.py: each difference is shown, and each has its remark."""

from grpo_mini.course.lesson_diff import REMARKS, differing, pieces, show_diff


def test_each_piece_that_differs_has_a_remark_and_no_remark_is_left_over():
    assert set(REMARKS) == set(differing())


def test_the_pieces_are_the_methods_of_the_two_trainers():
    ppo, grpo = pieces("ppo.py"), pieces("grpo.py")
    assert "compute_values" in ppo and "compute_values" not in grpo
    assert "compute_relative_rewards" in grpo and "compute_relative_rewards" not in ppo
    assert '"""' not in "".join([*ppo.values(), *grpo.values()])


def test_the_page_marks_what_only_one_of_them_has():
    page = show_diff("compute_loss").data
    assert "- " in page and "+ " in page
    assert "vf_coef" in page and page.count("<code>") == page.count("</code>")
    assert "compute_values" in show_diff().data and "compute_values" not in page
    assert page.count("<details") == page.count(" open>") == 1


def test_all_of_it_is_folded_by_method_but_for_its_heart():
    page = show_diff().data
    assert page.count("<details") == len(differing()) and page.count(" open>") == 2
    values = page[page.index("<code>compute_values") :]
    ppo = pieces("ppo.py")["compute_values"].splitlines()
    assert f"(-{len(ppo)}, +0 lines)" in values[: values.index("</summary>")]
