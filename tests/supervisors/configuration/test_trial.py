"""What a stranger's module does when it is imported happens to a process of its own."""

import ctypes
import threading

from supervisors.configuration.trial import survives

LONG_S = 30.0


def test_a_module_that_imports_is_fine() -> None:
    assert survives(lambda: 1, LONG_S) == ""


def test_a_module_that_raises_is_left_to_its_importer() -> None:
    assert survives(lambda: 1 / 0, LONG_S) == ""


def test_a_module_that_ends_the_process_is_named_with_its_signal() -> None:
    assert "SIGSEGV" in survives(lambda: ctypes.string_at(0), LONG_S)


def test_a_module_that_never_finishes_is_given_up() -> None:
    assert "longer than 0.1 s" in survives(threading.Event().wait, 0.1)
