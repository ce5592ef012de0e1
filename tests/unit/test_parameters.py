"""Parameters check themselves, explain themselves, and come from a command line or a pipeline's form alike."""

from dataclasses import dataclass

import click
import pytest
from click.testing import CliRunner

from binocular.errors import SettingError
from binocular.parameters import Parameters, choice, count, number, switch, text, with_options


@dataclass(frozen=True)
class Oven(Parameters):
    kind = "dial"

    heat: float = number(180.0, "How hot.", most=250)
    trays: int = count(1, "How many.", least=1)
    fan: bool = switch("Whether air moves.", default=True)
    mode: str = choice("bake", "What it does.", among=("bake", "grill"))
    recipe: str = text("", "What is in it.")


@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("heat", 251, "a number between 0 and 250"),
        ("heat", float("nan"), "a number"),
        ("heat", "hot", "a number"),
        ("heat", True, "a number"),
        ("trays", 0, "a whole number of 1 or more"),
        ("trays", 1.5, "a whole number"),
        ("fan", 1, "true or false"),
        ("mode", "boil", "one of bake, grill"),
        ("recipe", 3, "text"),
    ],
)
def test_a_wrong_value_is_refused_by_name_with_what_is_accepted(name: str, value: object, accepted: str) -> None:
    with pytest.raises(SettingError, match=f"dial {name} is .*; it must be {accepted}"):
        Oven.of({name: value})


def test_a_misspelt_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(SettingError, match="haet is not a dial; did you mean heat"):
        Oven.of({"haet": 3})


def test_a_form_that_knows_only_floats_gives_whole_numbers() -> None:
    assert Oven.of({"trays": 2.0}).trays == 2


def test_a_command_line_has_an_option_for_each() -> None:
    @click.command()
    @with_options(Oven)
    def command(**values: object) -> None:
        click.echo(str(Oven.of(values)))

    runner = CliRunner()
    shown = runner.invoke(command, ["--heat", "200", "--no-fan", "--mode", "grill"]).output
    assert shown.strip() == str(Oven(heat=200.0, fan=False, mode="grill"))
    assert "What it does." in runner.invoke(command, ["--help"]).output
