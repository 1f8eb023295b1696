"""Classes of settings: values are read by their declarations, complete and frozen."""

import copy
import pickle
from collections.abc import Mapping
from dataclasses import FrozenInstanceError
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ValidationError

from wiverno.config.fields import types
from wiverno.config.fields.field import setting
from wiverno.config.fields.model import BadValuesError, SettingsModel
from wiverno.config.settings import Adjustments


def twice_the_size(values: Mapping[str, Any]) -> int:
    return 2 * int(values.get("size", 0))


class Base(SettingsModel):
    size: Annotated[int, types.size()] = setting(10, "How large.", "Sizes")


class Model(Base):
    mode: Annotated[str, types.choice("threaded", "simple")] = setting("threaded", "Which.", "Server")
    port: Annotated[int, types.integer(0, 65535)] = setting(8080, "Where.", "Server", simple=8000)
    most: Annotated[int, types.size()] = setting(0, "At most.", "Sizes", otherwise=twice_the_size)
    passcode: Annotated[str, types.text()] = setting("", "Who.", "Server", secret=True)

    size_in_words = "a few"


def test_a_setting_that_is_not_given_has_its_default() -> None:
    """Defaults may depend on settings above; only given names are in model_fields_set."""
    made = Model({"size": "1KiB"})
    assert made.model_dump() == {"size": 1024, "mode": "threaded", "port": 8080, "most": 2048, "passcode": ""}
    assert made.model_fields_set == {"size"}
    assert Model({"mode": "Simple"}).port == 8000


def test_fields_are_inherited_and_no_class_attributes() -> None:
    assert list(Model.model_fields) == ["size", "mode", "port", "most", "passcode"]
    assert list(Base.model_fields) == ["size"]
    assert not hasattr(Model, "port")
    assert Model.size_in_words == "a few"


def test_all_bad_values_are_reported() -> None:
    with pytest.raises(BadValuesError, match=r"size: .*, port: must be at most 65535") as caught:
        Model({"size": "many", "port": 80800})
    assert list(caught.value.wrong) == ["size", "port"]


def test_instances_are_frozen_values() -> None:
    made = Model({"port": 1})
    with pytest.raises(FrozenInstanceError):
        made.port = 2
    with pytest.raises(FrozenInstanceError):
        made.other = 2
    with pytest.raises(FrozenInstanceError):
        del made.port
    assert made == Model({"port": "1"})
    assert hash(made) == hash(Model({"port": "1"}))
    assert made not in (Model({"port": 2}), Base({}), 1)


def test_instances_are_copied_and_pickled() -> None:
    """A worker that runs the program again gets its settings by pickle."""
    made = Adjustments.from_keywords(threads=8, listen="127.0.0.1:0")
    for again in (pickle.loads(pickle.dumps(made)), copy.copy(made), copy.deepcopy(made)):
        assert again == made
        assert again.model_fields_set == made.model_fields_set


def test_repr_has_what_was_given_without_secrets() -> None:
    assert repr(Model({"port": 1, "passcode": "1234"})) == "Model(port=1, passcode=***)"


def test_a_model_of_pydantic_may_have_a_field_of_settings() -> None:
    """Pydantic reads the values by name, reports a mistake, and has the schema."""

    class Site(BaseModel):
        server: Adjustments

    assert Site.model_validate({"server": {"threads": "8"}}).server == Adjustments.from_keywords(threads=8)
    assert Site(server=Adjustments()).server == Adjustments()
    with pytest.raises(ValidationError, match="threads: must be at least 1"):
        Site.model_validate({"server": {"threads": 0}})
    with pytest.raises(ValidationError, match="expected Adjustments or its values by name"):
        Site.model_validate({"server": 1})
    server = Site.model_json_schema()["properties"]["server"]
    assert server["properties"]["threads"]["description"] == Adjustments.model_fields["threads"].meaning
    assert "sockets" not in server["properties"]


def test_values_by_name_and_instances_are_validated() -> None:
    made = Adjustments.model_validate({"threads": 7})
    assert (made.threads, Adjustments.model_validate(made)) == (7, made)
    with pytest.raises(ValueError, match="by name"):
        Adjustments.model_validate(7)
