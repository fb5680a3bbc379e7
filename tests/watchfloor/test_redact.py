"""Secrets that stand in texts, command lines and variables are hidden; the rest stays as it is."""

from __future__ import annotations

import string
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.parts import ROOT
from watchfloor.redact import HIDDEN, redact, redact_value, redact_words

_SECRETS = st.text(string.ascii_letters + string.digits + "!#%*+,./;<>?^_|~$", min_size=8, max_size=40).map(
    "Zq9".__add__
)

# § stands for the secret
_TEXTS = (
    "login --password § now",
    "login --password '§' now",
    'login --password "§" now',
    "login --api-key=§",
    "--hf_token §",
    "java -Dtrust.password=§ -jar x",
    "HF_TOKEN=§ python train.py",
    "URL=https://host/?access_token=§",
    'sh -c "AWS_SECRET_ACCESS_KEY=§ aws s3 ls"',
    '{"api_key": "§", "user": "alice"}',
    '{\\"client_secret\\": \\"§\\"}',
    "password: §",
    "export PGPASSWORD='§'",
    "Authorization: Bearer §",
    "authorization: token §",
    "curl -H 'Cookie: a=b; c=§'",
    "sshpass -p § ssh host",
    "mysql -h db -u root -p§ runs",
    "docker login -u me -p § registry.example",
    "train.py --pw §",
    "notify https://hooks.slack.com/services/T0/B0/§",
    "notify --url=https://discord.com/api/webhooks/17/§",
    "curl -u alice:§ https://host",
    "GITHUB_PAT=§",
    "the password is §",
    "db password is: '§' for now",
    "api key is §",
    "bearer: §",
    'curl -H "Bearer: §" https://host',
    "train.py --bearer §",
    "HUGGING_FACE_HUB_TOKEN §",
    "setenv HF_TOKEN '§' && python train.py",
    "cd /x; export WANDB_API_KEY §",
    "password => §",
    "password := §",
    "password -> §",
    "the password was §",
    "pw is §",
    "use password § for it",
    "my pwd (§)",
)


@pytest.mark.parametrize("text", _TEXTS)
@given(secret=_SECRETS)
def test_what_a_name_gives_away_is_hidden(text: str, secret: str) -> None:
    shown = redact(text.replace("§", secret))
    assert secret not in shown and secret[3:] not in shown
    assert HIDDEN in shown


@pytest.mark.parametrize(
    "secret",
    [
        "hf_" + "aB3" * 10,
        "ghp_" + "aB3" * 12,
        "github_pat_" + "aB3_" * 12,
        "glpat-" + "aB3" * 7,
        "xoxb-12345678-abcdefgh",
        "npm_" + "aB3" * 12,
        "nvapi-" + "aB3" * 12,
        "wandb_v1_" + "aB3" * 12,
        "sk-proj-" + "aB3" * 12,
        "sk-ant-api03-" + "aB3" * 12,
        "AKIA" + "ABCD" * 4,
        "AIza" + "aB3-_" * 7,
        "ya29." + "aB3" * 10,
        "hvs.CAESI" + "aB3" * 10,
        "dapi" + "0a1b" * 8,
        "pypi-AgEI" + "aB3" * 12,
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    ],
)
def test_what_an_issuer_made_is_known_by_its_shape(secret: str) -> None:
    for text in (secret, f"run {secret} on", f"X={secret}", f"'{secret}'", f"(https://{secret}@host/)"):
        assert secret[-10:] not in redact(text), text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://watch:p@ss:w@db.example/base", "postgresql://watch:***@db.example/base"),
        ("https://0123456789abcdef0123@host/x", "https://***@host/x"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\nmore", "KEY-----\nmore"),
        ("wandb login --relogin; wandb login 0123456789abcdef0123456789abcdef01234567", "--relogin; wandb login ***"),
    ],
)
def test_urls_key_blocks_and_logins(text: str, shown: str) -> None:
    assert redact(text).endswith(shown) and "MIIE" not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "python train.py --tokenizer llama --max-tokens 100 --hotkey ctrl-c --bypass 1",
        "docker run -u 1000:1000 nvcr.io/nvidia/pytorch:24.07-py3",
        "git clone ssh://git@host:2222/repo",
        "commit 26fdb5a8f6aa36a687a22b17c8a4c5d0be976ca2 of https://host/repo.git",
        "mysqld_exporter --port 9104 -v",
        "ssh -p 22 login-01 hostname",
        "rsync s3://bucket/key n2:/scratch/secretary",
        "XID 79 on n2 gpu3: the board has fallen off the bus",
        "--token --next",
        "python train.py --token-budget 512 --max-tokens 5 --key_padding 3 --tokenizer x --bearers 2 key_padding_mask",
        "docker run -e HF_TOKEN nvcr.io/nvidia/pytorch:24.07-py3",
        "apptainer run --env HF_TOKEN image.sif python",
        "mpirun -x HF_TOKEN -x WANDB_API_KEY python3 train.py",
        "srun --export=ALL,HF_TOKEN bash run.sh",
        "env -u HF_TOKEN torchrun --nproc-per-node 8 train.py",
        "export HF_TOKEN && python train.py",
        "unset HF_TOKEN WANDB_API_KEY",
        "the password is required, and the token is expired",
        "the tokenizer is llama3",
        "module verification failed: signature and/or required key missing",
        'run --note "it\'s --late"',
        "doesn't count, unknown-key: no key that counts has signed it",  # the word of an approval
        "train.py --pad-token <pad> --eos_token </s> --bos-token=<s> pad_token=[PAD] --sort-key time --cache-key run",
        "a basic training of 8 epochs, with the password policy 2",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact(text) == text == redact_words(text.split(" "))


def test_words_keep_a_secret_with_blanks_together() -> None:
    assert redact_words(["run", "--password", "a b c", "-v"]) == "run --password *** -v"
    assert redact_words(["run", "--password=a b c", "token:d e"]) == "run --password=*** token:***"


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ('run --password "my secret words" -v', "run --password *** -v"),
        ("run --password='my secret words' -v", "run --password=*** -v"),
        ('run token:"my secret" user:"me too"', 'run token:*** user:"me too"'),
        ('run --password "my secret words -v', "run --password *** secret words -v"),  # nothing closes it: a word
        ("run --password \"it's mine\" --x 'a b'", "run --password *** --x 'a b'"),
        ("HUGGING_FACE_HUB_TOKEN Zq9xyzab12 -v", "HUGGING_FACE_HUB_TOKEN *** -v"),
        ("note -m HUGGING_FACE_HUB_TOKEN Zq9xyzab12", "note -m HUGGING_FACE_HUB_TOKEN ***"),
    ],
)
def test_a_quoted_secret_that_is_split_over_words_is_hidden_whole(line: str, shown: str) -> None:
    assert redact_words(line.split(" ")) == shown


def test_many_quotes_take_time_in_proportion() -> None:
    words = ["--password", '"x'] * 20_000
    began = time.process_time()
    redact_words(words)
    redact_words([*words, 'y"'])
    assert time.process_time() - began < 2  # seconds; what grows with the square takes minutes


def test_a_variable_is_hidden_by_its_name_or_by_what_it_holds() -> None:
    assert redact_value("WANDB_API_KEY", "0123") == HIDDEN
    assert redact_value("MLFLOW_TRACKING_URI", "https://me:pw@host") == "https://me:***@host"
    assert redact_value("SLURM_JOB_ID", "4242") == "4242"
    assert redact_value("HF_TOKEN", "") == ""


_PARTS = (
    "token",
    "=",
    ":",
    " ",
    "--",
    "-",
    '"',
    "'",
    "\\",
    "key",
    "_",
    "://",
    "@",
    "a",
    "bearer ",
    "x" * 20,
    "\n",
    "eyJ",
    " is ",
    "A_TOKEN ",
    "export ",
)


@given(st.lists(st.sampled_from(_PARTS), max_size=30).map("".join) | st.text(max_size=200))
def test_once_redacted_it_stays_as_it_is(text: str) -> None:
    shown = redact(text)
    assert redact(shown) == shown


@pytest.mark.parametrize(
    "part",
    [
        *_PARTS,
        "a_",
        "'a'",
        "://a:",
        "token: \\",
        "authorization ",
        "-u a:",
        "sk-",
        "--key ",
        "mysql ",
        "login ",
        "token is ",
        "A_KEY ",
        "A_",
        "export ",
    ],
)
def test_time_grows_with_the_length_only(part: str) -> None:
    text = part * (200_000 // len(part))
    began = time.process_time()
    redact(text)
    redact_words([text])
    redact_value(text, "x")
    assert time.process_time() - began < 2  # seconds; what grows with the square takes minutes


def test_the_probe_redacts_in_the_same_way() -> None:
    ours, probes = (ROOT / folder / "redact.py" for folder in ("watchfloor", "collectors/probe"))
    assert ours.read_bytes() == probes.read_bytes(), "copy watchfloor/redact.py to collectors/probe"
