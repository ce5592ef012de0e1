import pytest

from binocular.errors import SettingError
from serving.server import flags


def test_the_defaults_are_the_originals() -> None:
    told = flags.parse(["--model_base_path=/models/waste"])
    assert (told.port, told.rest_api_port, told.model_name) == (8500, 0, "default")
    assert (told.file_system_poll_wait_seconds, told.max_num_load_retries) == (1, 5)
    assert (told.load_retry_interval_micros, told.rest_api_timeout_in_ms) == (60_000_000, 30_000)
    assert told.host == "127.0.0.1"


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("--enable_batching", True),
        ("--enable_batching=true", True),
        ("--enable_batching=1", True),
        ("--enable_batching=false", False),
        ("--enable_batching=0", False),
    ],
)
def test_a_switch_is_said_in_many_ways(argument: str, value: bool) -> None:  # noqa: FBT001
    assert flags.parse(["--model_base_path=/m", argument]).enable_batching is value


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--model_bas_path=/m"], "unknown argument: --model_bas_path=/m; did you mean --model_base_path?"),
        (["-port=1"], "unknown argument: -port=1"),
        (["serve"], "unknown argument: serve"),
        (
            ["--ssl_config_file=x"],
            "--ssl_config_file is a flag of TensorFlow Serving that this",
        ),
        (["--port"], "--port needs a value"),
        (["--port=x"], "--port: got 'x', expected a whole number"),
        (["--port=70000"], "--port: got 70000, expected a number from 0 to 65535"),
        (["--enable_batching=maybe"], "--enable_batching: got 'maybe', expected true or false"),
        ([], "name the models"),
        (["--model_base_path=/m", "--port=0"], "--port=0 needs --grpc_socket_path"),
        (["--model_base_path=/m", "--rest_api_port=8500"], "which is --port too"),
        (["--model_base_path=/m", "--batching_parameters_file=f"], "enable_batching to true"),
        (["--model_base_path=/m", "--grpc_channel_arguments=a"], "expected grpc.max_receive_message_length=a"),
        (
            [
                "--model_base_path=/m",
                "--tensorflow_session_parallelism=1",
                "--tensorflow_intra_op_parallelism=1",
            ],
            "sets both others",
        ),
    ],
)
def test_a_wrong_flag_is_an_error_that_says_what_to_change(arguments: list[str], text: str) -> None:
    with pytest.raises(SettingError) as error:
        flags.parse(arguments)
    assert text in str(error.value)


@pytest.mark.parametrize(("given", "limit"), [("", 64 << 20), ("=5", 5), ("=-1", (1 << 31) - 1)])
def test_the_longest_message_is_what_grpc_is_told(given: str, limit: int) -> None:
    arguments = [f"--grpc_channel_arguments={flags.MESSAGE_OPTION}{given}"] if given else []
    assert flags.message_limit(flags.parse(["--model_base_path=/m", *arguments])) == limit
