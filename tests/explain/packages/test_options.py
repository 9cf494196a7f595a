"""What is read from the signatures of a package's classes."""

import pytest

from chexpert.explain.packages.options import find_name_errors, find_number_errors, list_parameters, pick


def test_nearest_names_come_first_whatever_their_case():
    (error,) = find_name_errors("gradcam", ["XGradCAM", "GradCAM", "FullGrad"], "a method")
    assert error.hint.startswith("did you mean GradCAM, XGradCAM")
    (error,) = find_name_errors("zzz", ["B", "A"], "a method")
    assert error.hint == "one of A, B"
    assert find_name_errors("A", ["A"], "a method") == []


@pytest.mark.parametrize("value", [0, 1.5, "2", None, True])
def test_whole_numbers(value):
    (error,) = find_number_errors({"a": 1}, {"a": value})
    assert error.code == "value"


def test_parameters_are_named_and_lists_become_tuples():
    def function(self, given, a, *, b=1, **rest):
        """Do nothing."""

    assert list(list_parameters(function, ["given"])) == ["a", "b"]
    assert pick({"a": [1, [2]], "c": 3}, ["a", "b"]) == {"a": (1, (2,))}
