from __future__ import annotations

import gc

import pytest

from auditor.garbage_collection import paused_collection


def test_collection_goes_on_after_an_exception() -> None:
    def collection_inside() -> None:
        with paused_collection():
            assert not gc.isenabled()
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        collection_inside()
    assert gc.isenabled()


def test_collection_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with paused_collection():
            assert not gc.isenabled()
        assert not gc.isenabled()
    finally:
        gc.enable()
