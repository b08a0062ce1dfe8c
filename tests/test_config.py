"""The policy file: what it may say, what it is refused for, and what comes of it."""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from outworks.config import Policy, PolicyError, checks, load_policy, read_policy
from outworks.defense import Defense, Mode, Settings
from outworks.defenses import DEFENSES, Line
from outworks.models import local, openai, scripted
from tests.models.test_gguf_head import ADAPTER, written

GOLDEN = Path(__file__).parent / "golden"
EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*/outworks.toml"))
MODEL = '[[models]]\nname = "m"\nprovider = "scripted"\n'
OPENAI = '[[models]]\nname = "m"\nprovider = "openai"\n'
RULE = '[[rules]]\nname = "r"\ndescription = "d"\nwhen = \'blocked("1h") > 3\'\naction = "warn"\nexpires = "1d"\n'


@pytest.fixture
def policy(tmp_path: Path) -> Any:
    """Reads a policy as if it lay in a folder of its own."""

    def read(text: str, environ: dict[str, str] | None = {}) -> Policy:
        return read_policy(text.encode(), tmp_path / "outworks.toml", environ=environ)

    return read


@pytest.fixture
def faults(policy: Any) -> Any:
    """The faults of a policy that is refused."""

    def refused(text: str, environ: dict[str, str] | None = {}) -> list[str]:
        with pytest.raises(PolicyError) as error:
            policy(text, environ)
        return [str(fault) for fault in error.value.faults]

    return refused


def test_a_model_is_all_that_a_policy_needs(policy: Any, tmp_path: Path) -> None:
    """With one model and nothing else, everything is at its default: on loopback, with a key, every defense."""
    read = policy(MODEL)

    assert [entry.name for entry in read.models] == ["m"]
    assert isinstance(read.models[0].settings, scripted.Settings)
    assert read.gateway.listen == "127.0.0.1:8600"
    assert read.gateway.asking.require_key
    assert read.ledger_path == tmp_path / "outworks.db"
    assert read.ledger.retain_seconds == 30 * 86_400
    assert list(read.defenses) == [line.name for line in DEFENSES]
    assert all(read.defenses[line.name] == line.settings() for line in DEFENSES)
    assert read.rules == ()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.parent.name)
def test_the_examples_are_right(path: Path) -> None:
    """Every example policy is one that `outworks check` passes."""
    assert load_policy(path).models


@pytest.mark.parametrize("line", DEFENSES, ids=lambda line: line.name)
def test_every_defense_can_be_set(policy: Any, line: Line) -> None:
    """Each defense of the list has its section; what it leaves out stays at the default."""
    read = policy(f'{MODEL}[defenses.{line.name}]\nmode = "shadow"\n')

    assert read.defenses[line.name] == msgspec.structs.replace(line.settings(), mode=Mode.SHADOW)


def test_all_is_told_at_once() -> None:
    """A file with everything wrong is refused with every fault, each with its line, in the words of the golden file."""
    with pytest.raises(PolicyError) as error:
        read_policy((GOLDEN / "policy_errors.toml").read_bytes(), Path("outworks.toml"), environ={})

    golden = GOLDEN / "policy_errors.txt"
    if os.environ.get("OUTWORKS_WRITE_GOLDEN"):
        golden.write_text(f"{error.value}\n")
    assert f"{error.value}\n" == golden.read_text()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "1: models: no model is given; expected at least one [[models]], with a name and a provider"),
        ("models = []", "1: models: no model is given; "),
        (MODEL + MODEL, "5: models[1].name: 'm' is already the model on line 2; expected another name"),
        (MODEL + "chunk_chars = [0]", "4: models[0].chunk_chars[0]: 0 is out of range; expected "),
        (MODEL + '[gateway]\nlisten = "8600"', "5: gateway.listen: '8600' is no address; expected HOST:PORT"),
        (MODEL + '[gateway]\nlisten = "localhost:65536"', "5: gateway.listen: 'localhost:65536' is no address"),
        (MODEL + '[gateway]\nlisten = "[::zz]:80"', "5: gateway.listen: '[::zz]:80' is no address"),
        (
            MODEL + '[gateway]\nlisten = "0.0.0.0:1"\nrequire_key = false',
            "6: gateway.require_key: false, while 0.0.0.0:1 can be reached from beyond this machine",
        ),
        (MODEL + '[gateway]\nsecret_env = "a b"', "5: gateway.secret_env: no name of an environment variable"),
        (MODEL + "[gateway.limits]\nin_flight = 0", "5: gateway.limits.in_flight: 0 is out of range"),
        (MODEL + '[ledger]\npath = "no/such/x.db"', "5: ledger.path: 'no/such/x.db' lies in a folder that does not"),
        (MODEL + '[ledger]\npath = "."', "5: ledger.path: '.' is no file"),
        (MODEL + '[ledger]\nretain_content = "1.5d"', "5: ledger.retain_content: a duration is a whole number and "),
        (MODEL + '[telemetry]\notlp_endpoint = "h:1"', "5: telemetry.otlp_endpoint: 'h:1' is no address"),
        (OPENAI + 'base_url = "nowhere"', "4: models[0].base_url: base_url is 'nowhere'; expected http://HOST"),
        (OPENAI + 'base_url = "http://a..b"', "4: models[0].base_url: base_url is 'http://a..b'; expected http://HOST"),
        (OPENAI + 'api_key_env = "ABSENT"', "4: models[0].api_key_env: api_key_env names ABSENT, which is not set"),
        (OPENAI + 'ca_file = "ca.pem"', "4: models[0].ca_file: there is no file at "),
        (OPENAI + 'headers = { A = "b\\r\\nC: d" }', "4: models[0].headers: "),
        (MODEL + '[defenses.link]\nmode = "off"', "4: defenses.link: unknown key 'link'; did you mean 'links'?"),
        (MODEL + "[defenses.leak]\ntime_limit_ms = 0", "5: defenses.leak.time_limit_ms: 0 is out of range"),
        (MODEL + '[defenses.leak]\ncanaries = ["short"]', "5: defenses.leak.canaries: "),
        (MODEL + '[defenses.leak]\ncanary_pattern = "("', "5: defenses.leak.canary_pattern: "),
        (MODEL + '[defenses.links]\nallow = ["a b"]', "5: defenses.links.allow: "),
        (
            MODEL + '[defenses.links]\nallow = ["a b", "ok.example", "c d"]',
            "5: defenses.links.allow: links.allow: 'a b', 'c d' are no hosts",
        ),
        (
            MODEL + '[defenses.leak]\ncanaries = ["x1", "env:GONE"]',
            "5: defenses.leak.canaries: leak.canaries: x1... has fewer than 8 letters and digits; ",
        ),
        (
            MODEL + '[defenses.parameter_lock]\nrefuse = ["sed", "tols"]',
            "5: defenses.parameter_lock.refuse: refuse: 'sed' is not among the parameters admitted by default; "
            "did you mean 'seed'? 'tols' is not among",
        ),
        (MODEL + RULE + RULE, "5: rules[0].name: 2 rules are called 'r'"),
        (MODEL + RULE.replace("blocked", "bloked"), "7: rules[0].when: 1:1: nothing is called 'bloked'; did you mean"),
        (MODEL + RULE.replace('"1d"', '"soon"'), "9: rules[0].expires: "),
        (MODEL + RULE.replace("blocked(", 'blocked("lock", '), "7: rules[0].when: "),
        (MODEL + RULE.replace('"warn"', '"wran"').replace("bl", "l"), "7: rules[0].when: "),
    ],
)
def test_what_no_type_shows_is_refused_with_its_line(faults: Any, text: str, fault: str) -> None:
    """What only the whole policy, or what it is for, can show is a fault like any other."""
    assert faults(text)[0].startswith(fault)


def test_a_wrong_action_hides_nothing_else_of_its_rule(faults: Any) -> None:
    """An expiry that is none is told with it, in one go."""
    found = faults(MODEL + RULE.replace('"warn"', '"wran"').replace('"1d"', '"soon"'))

    assert [each.partition(": ")[2].partition(":")[0] for each in found] == ["rules[0].action", "rules[0].expires"]


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "localhost:8600", "[::1]:8600", "127.9.9.9:80"])
def test_on_loopback_no_key_is_needed(policy: Any, listen: str) -> None:
    """Whoever only listens on this machine may answer without a key."""
    assert not policy(f'{MODEL}[gateway]\nlisten = "{listen}"\nrequire_key = false').gateway.asking.require_key


def test_beyond_this_machine_a_key_is_enough(policy: Any) -> None:
    """Whoever asks for a key may listen anywhere."""
    assert policy(f'{MODEL}[gateway]\nlisten = "0.0.0.0:8600"').gateway.listen == "0.0.0.0:8600"


def test_a_faulty_key_does_not_hide_the_next_fault(faults: Any) -> None:
    """A constructor tells one fault at a time; the file is told all of them."""
    told = faults(OPENAI + 'base_url = "x"\napi_key_env = "ABSENT"\nmodle = "y"')

    assert [fault.split(": ")[1] for fault in told] == [
        "models[0].base_url",
        "models[0].api_key_env",
        "models[0].modle",
    ]


def test_a_key_comes_from_the_environment(policy: Any) -> None:
    """A model whose key is set in the environment is right, and the policy holds the name alone."""
    read = policy(f'{OPENAI}api_key_env = "PRESENT"', {"PRESENT": "canary-value"})

    assert isinstance(read.models[0].settings, openai.Settings)
    assert read.models[0].settings.api_key_env == "PRESENT"
    assert "canary-value" not in repr(read)


@pytest.mark.parametrize("text", [OPENAI + "api_key_env = ", MODEL + "[gateway]\nsecret_env = "])
def test_a_secret_in_the_place_of_its_name_is_not_repeated(faults: Any, text: str) -> None:
    """Whoever pastes a key where the name of its variable belongs is told so, and the key goes into no log."""
    (told,) = faults(f'{text}"sk-canary-0123"')

    assert "no name of an environment variable" in told
    assert "canary" not in told


def test_a_program_that_only_wants_the_ledger_needs_no_secrets(policy: Any, faults: Any) -> None:
    """Without an environment the file alone is checked: a key that is not set is no fault, a wrong address still is."""
    text = f'{OPENAI}api_key_env = "ABSENT"\n[defenses.leak]\ncanaries = ["env:ABSENT_CANARY"]\n'

    assert policy(text, None).models[0].name == "m"
    assert len(faults(text, {})) == 2
    assert faults(text.replace("[def", 'base_url = "x"\n[def'), None)[0].startswith("5: models[0].base_url: ")


@pytest.mark.parametrize(
    ("text", "module", "fault"),
    [
        ('[[models]]\nname = "m"\nprovider = "local"', "xllamacpp", "3: models[0].provider: the embedded model is not"),
        (
            MODEL + '[telemetry]\notlp_endpoint = "http://h:1"',
            "opentelemetry.sdk",
            "5: telemetry.otlp_endpoint: traces",
        ),
    ],
)
def test_an_extra_that_is_missing_is_named(
    faults: Any, monkeypatch: pytest.MonkeyPatch, text: str, module: str, fault: str
) -> None:
    """A policy that needs what is not installed is refused with the command that installs it."""
    monkeypatch.setattr(checks, "find_spec", lambda name: None if name == module else object())

    (told,) = faults(text)

    assert told.startswith(fault)
    assert "pip install 'outworks[" in told


def test_whatever_a_constructor_raises_is_a_fault(faults: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A defense that cannot be built, for any reason at all, is a fault of its section: a reload must survive it."""

    class Brittle(Defense):
        name = "brittle"

    def build(settings: Any, lent: Any) -> Defense:
        raise ZeroDivisionError

    monkeypatch.setattr(checks, "DEFENSES", [Line(DEFENSES[-1].defense, DEFENSES[-1].settings, build)])

    assert faults(f'{MODEL}[defenses.refusal]\nmode = "shadow"') == ["4: defenses.refusal: ZeroDivisionError"]


def test_paths_begin_at_the_policy_file(policy: Any, tmp_path: Path) -> None:
    """The ledger, a model's file and a certificate lie beside the policy, wherever the program was started."""
    (tmp_path / "m.gguf").touch()
    (tmp_path / "ca.pem").write_text(AUTHORITY)
    text = '[ledger]\npath = "l.db"\n[[models]]\nname = "a"\nprovider = "local"\npath = "m.gguf"\n'

    read = policy(text + OPENAI + 'ca_file = "ca.pem"\n[[models]]\nname = "c"\nprovider = "local"')

    assert read.ledger_path == tmp_path / "l.db"
    embedded, other, default = (entry.settings for entry in read.models)
    assert isinstance(embedded, local.Settings)
    assert isinstance(other, openai.Settings)
    assert isinstance(default, local.Settings)
    assert (embedded.path, other.ca_file, default.path) == (str(tmp_path / "m.gguf"), str(tmp_path / "ca.pem"), "")


AUTHORITY = """-----BEGIN CERTIFICATE-----
MIIBDTCBtaADAgECAgEBMAoGCCqGSM49BAMCMBAxDjAMBgNVBAMMBXRlc3RzMCAX
DTI2MDEwMTAwMDAwMFoYDzIxMjYwMTAxMDAwMDAwWjAQMQ4wDAYDVQQDDAV0ZXN0
czBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABEaAey8+kySkWMiq08G5fp6ATuO/
4kqRjSGVrpg/kmhVJzi4mn/Hi/OEvK5WT8QXkMiYnw+GjNPo8WSudgIOyncwCgYI
KoZIzj0EAwIDRwAwRAIgUgn9ZsJV+QG+d2TROlN4RS7ypETcMsRw2A1uSYd+nz0C
IHq9nO9z6wK/jELl1s0yqZF0fwfexX+uoYNWh91UAXPQ
-----END CERTIFICATE-----
"""


@pytest.mark.parametrize(
    "said", ["", "no certificate", AUTHORITY.replace("MIIB", "MIIC")], ids=["empty", "text", "cut"]
)
def test_authorities_are_read_before_they_are_needed(faults: Any, tmp_path: Path, said: str) -> None:
    """A file that holds no certificate is a fault of the policy, not of the first request."""
    (tmp_path / "ca.pem").write_text(said)

    (fault,) = faults(OPENAI + 'ca_file = "ca.pem"')
    assert fault.startswith("4: models[0].ca_file: there is no certificate in ")


def test_an_adapter_is_read_before_it_is_served(policy: Any, faults: Any, tmp_path: Path) -> None:
    """It lies beside the policy, too; one that is not there, or is none, is a fault of the policy."""
    model = '[[models]]\nname = "a"\nprovider = "local"\nadapter = "a.gguf"\n'
    assert any("adapter: there is no file at" in each and "outworks lab export" in each for each in faults(model))
    (tmp_path / "a.gguf").write_bytes(b"PK, not GGUF")
    assert any("does not begin with `GGUF`" in each for each in faults(model))

    written(tmp_path / "a.gguf", ADAPTER)

    embedded = policy(model).models[0].settings
    assert isinstance(embedded, local.Settings)
    assert embedded.adapter == str(tmp_path / "a.gguf")


def test_content_may_be_kept_for_good(policy: Any) -> None:
    """`forever` is no number of seconds."""
    assert policy(f'{MODEL}[ledger]\nretain_content = "forever"').ledger.retain_seconds is None


def test_a_draft_is_checked_and_left_out(policy: Any, faults: Any) -> None:
    """A rule in draft is not among those that are evaluated, yet its faults are faults."""
    draft = RULE.replace('"r"', '"s"') + 'mode = "draft"\n'

    read = policy(MODEL + RULE + draft)

    assert [rule.name for rule in read.rules] == ["r", "s"]
    assert [each.rule.name for each in read.compiled_rules.compiled] == ["r"]
    assert faults(MODEL + draft.replace("blocked", "bloked"))


def test_the_digest_is_of_what_the_policy_says(policy: Any, tmp_path: Path) -> None:
    """Comments, layout, order, spelt-out defaults and the file's place leave the digest; any setting changes it."""
    text = MODEL + 'answers = { a = "1", b = "2" }\n[ledger]\npath = "l.db"\n' + RULE
    same = f'# x\n[ledger]\nretain_content="30d"\npath = "l.db"\n{MODEL}answers.b = "2"\nanswers.a = "1"\n'
    same += f"[defenses.links]\nexact = false\n{RULE}"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    digest = policy(text).digest

    assert len(digest) == 64
    assert policy(same).digest == digest
    assert read_policy(text.encode(), elsewhere / "p.toml", environ={}).digest == digest
    for change in ("[defenses.links]\nexact = true", "[gateway]\nworkers = 2", RULE.replace('"r"', '"q"')):
        assert policy(f"{text}{change}").digest != digest


@pytest.mark.parametrize("name", ["absent.toml", "."])
def test_a_file_that_cannot_be_read_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    """A missing file, or a folder, is refused like a faulty policy."""
    with pytest.raises(PolicyError) as error:
        load_policy(tmp_path / name)

    assert str(error.value).startswith(f"{tmp_path / name}:1: the policy cannot be read: ")


def test_a_file_is_read_with_the_environment_of_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`load_policy` reads the file, and keys from the process's own environment."""
    path = tmp_path / "p.toml"
    path.write_text(f'{OPENAI}api_key_env = "A_KEY_OF_THIS_TEST"')

    with pytest.raises(PolicyError, match=r"p\.toml:4: models\[0\]\.api_key_env"):
        load_policy(path)
    monkeypatch.setenv("A_KEY_OF_THIS_TEST", "x" * 20)
    assert load_policy(path).models[0].name == "m"


def test_settings_of_a_defense_are_its_own(policy: Any) -> None:
    """`defenses` gives each line of the list the settings under its name."""
    read = policy(f'{MODEL}[defenses.leak]\nmode = "off"')

    modes = {line.name: read.defenses[line.name].mode for line in DEFENSES}
    assert modes.pop("leak") is Mode.OFF
    assert all(isinstance(settings, Settings) for settings in read.defenses.values())
