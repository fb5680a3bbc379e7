"""Texts without the secrets that ought not to be in them: tokens, keys, passwords, URLs with credentials. Pure.

Anybody may write what is looked at here: time grows in proportion to its length, and what is in doubt is hidden. The
same file stands in watchfloor and in the probe, which runs on Python 3.6 and can't import the other.
"""

import re

HIDDEN = "***"

# names of what opens nothing: marks in a model's texts (--pad-token), and what is sorted or looked up by (--sort-key)
_MARKS = "pad bos eos sep cls mask unk"
_ORDERS = "sort foreign partition cache shard group merge dict unknown"


def _not_behind(words):
    return "".join(rf"(?<!(?<![^\W_]){word}[-_])" for word in words.split())


# the end of a name tells: api_key, --hf-token and PGPASSWORD do, --tokenizer, --max-tokens and --hotkey don't
_ENDS = (
    _not_behind(_MARKS) + "token|secret|password|passwd|passphrase|credentials?|cookie|signature|bearer|[-_]pat"
    "|(?:api|access|account|secret|private|signing|encryption|auth)key"
)
_WORDS = _not_behind(_ORDERS) + "key|pwd|pw|pass|sig|auth|creds"  # secret only where they are a word of the name
_NAME_WITHIN = rf"(?:[\w.-]*(?:{_ENDS})|(?:[\w.-]*[-_.])?(?:{_WORDS}))"
_NAME = r"(?<![\w.-])" + _NAME_WITHIN

# password is X; what people else say of one: it is required, is not set
_SAID_OF_ONE = (
    "not|no|required|needed|missing|wrong|invalid|incorrect|expired|set|unset|empty|unknown|optional|too|an?|the"
)
_SPOKEN = (
    rf"(?<![\w.-])(?:[\w.-]*(?:{_ENDS})|pwd?|(?:api|access|secret|private|signing)[ \t]key)"
    r"[ \t]+(?:is|was|equals):?[ \t]+"
)
# name: X, name=X, name => X
_GETS = r"(?:[=-]>|:=|[=:])"
# HF_TOKEN X: a name that is written as variables are
_VARIABLE = r"(?-i:[A-Z][A-Z0-9_]*_(?:TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|KEY|CREDENTIALS?|PAT))[ \t]+"

_FLAG = rf"-{_NAME_WITHIN}\Z"
_ASSIGNED = rf"({_NAME}[=:])(?!\s).+"
_ENTIRE_NAME = rf"{_NAME}\Z"

# what a text must hold (in lower case) for the patterns behind it to be worth a look -> what is found; its first group
# may stay, and HIDDEN stands for the rest
_OF_NAMES = ("token", "secret", "pass", "credential", "cookie", "signature", "pw", "key", "_pat", "-pat")
_OF_NAMES += ("sig", "auth", "creds", "bearer")
_FOUND = (
    (("private key-----",), r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).+?(?=-----END|\Z)"),
    # Authorization: Bearer …, also where only the scheme stands
    (
        ("authorization",),
        r"(\bauthorization[\"']?\s*[:=]\s*[\"']?(?:(?:bearer|basic|digest|negotiate|token)\s+)?)[^\s\"']+",
    ),
    (("cookie",), r"(\b(?:set-)?cookie[ \t]*:[ \t]*)[^\s\"'][^\n\"']*"),
    (("bearer",), r"(\bbearer\s+)[\w.~+/=-]{8,}"),
    (("basic",), r"(\bbasic\s+)(?-i:(?=\S*[A-Z\d+/=]))[\w.~+/=-]{8,}"),
    # scheme://user:password@host, scheme://token@host
    (("://",), r"(://[^/\s:@?#]*:)[^/\s]+(?=@)"),
    (("://",), r"(://)[^/\s:@?#]{16,}(?=@)"),
    # "name": "secret", name='secret', then name=secret and name: secret
    (_OF_NAMES, rf"({_NAME}\\?[\"']?[ \t]*{_GETS}[ \t]*\\?([\"']))(?:\\.|(?!\2)[^\\])+"),
    (
        _OF_NAMES,
        rf"({_NAME}\\?[\"']?[ \t]*{_GETS}[ \t]*)(?![\"'\\]|(?:bearer|basic|digest|negotiate|token)\s)[^&\s]+",
    ),
    # --name "secret", --name secret
    (_OF_NAMES, rf"((?<![\w.-])-{_NAME_WITHIN}[ \t]+)(?:(?:\"[^\"]*\"?|'[^']*'?)\S*|(?!-)\S+)"),
    # password secret, where what follows is no word
    (
        ("pass", "pw"),
        r"((?<![\w.-])(?:password|passwd|passphrase|pwd?)[ \t]+[\"'(]?)(?=\S*\d)(?=\S*[A-Za-z])[^\s\"')]{6,}",
    ),
    # password is secret; NAME secret where it is set, and elsewhere (docker run -e NAME image) what looks like one
    (_OF_NAMES, rf"({_SPOKEN})(?!(?:{_SAID_OF_ONE})(?!\w))(?:(?:\"[^\"]*\"?|'[^']*'?)\S*|\S+)"),
    (
        _OF_NAMES,
        rf"((?:\A|(?<=[\n;&])|(?<![\w.-])(?:export|setenv|set|env)[ \t]+)[ \t]*{_VARIABLE})"
        r"(?:(?:\"[^\"]*\"?|'[^']*'?)\S*|(?![-&|;<>#])\S+)",
    ),
    (_OF_NAMES, rf"((?<![\w.$-]){_VARIABLE})(?=\S*\d)(?=\S*[A-Za-z])[^\s/.:]{{8,}}(?!\S)"),
    # what tools take by position: curl -u name:secret (the ids of docker run -u are none), sshpass -p, wandb login
    (("-u",), r"((?<!\S)(?:-u|--user|--proxy-user)[\s=]+(?!\d+:\d+(?!\S))[^\s:]+:)(?!//)\S+"),
    (("sshpass",), r"(\bsshpass\s+-p\s*)\S+"),
    (("mysql", "mariadb"), r"(\b(?:mysql|mariadb)[^\n]{0,200}?\s-p)\S+"),
    (("login",), r"(\blogin\s[^\n]{0,200}?(?<=\s)-p\s*)\S+"),
    # addresses that let everybody in who knows them: of Slack, Discord, Teams
    (("hooks.slack.com", "/webhook"), r"(\b(?:hooks\.slack\.com/\w+|api/webhooks|webhookb2)/)\S+"),
    (("wandb",), r"(\bwandb\s+login\s+)[0-9a-f]{20,}"),
    # what issuers make: Hugging Face, GitHub, GitLab, Slack, npm, Docker, NVIDIA, W&B, OpenAI and Anthropic,
    # Google, AWS, and signed tokens (JWT)
    (
        ("hf_", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "_pat_", "glpat-", "xox", "npm_", "nvapi-", "wandb_v", "sk-"),
        r"((?<![^\W_])(?:hf_|gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|npm_|dckr_pat_|nvapi-|wandb_v\d_|sk-))"
        r"[\w-]{12,}",
    ),
    # HashiCorp Vault, Databricks, the Python package index
    (("hvs.", "pypi-"), r"((?<![^\W_])(?:hvs\.|pypi-))[\w-]{20,}"),
    (("dapi",), r"((?<![^\W_])dapi)[0-9a-f]{32}"),
    (("aiza", "ya29."), r"((?<![^\W_])(?:AIza|ya29\.))[\w.-]{20,}"),
    (("akia", "asia"), r"((?<![^\W_])(?:AKIA|ASIA))[0-9A-Z]{12,}"),
    (("eyj",), r"((?<![^\W_])eyJ)[\w-]{8,}\.[\w.-]+"),
)
_ALL = {needle for needles, _ in _FOUND for needle in needles}
_NEEDLES = tuple(sorted(needle for needle in _ALL if not any(other in needle for other in _ALL - {needle})))


def redact(text: str) -> str:
    """Any text: a command line, a comment, a message, the value of a variable. Once redacted it stays as it is."""
    lower = text.lower()
    if not _any_in(lower, _NEEDLES):
        return text  # most texts are short and hold no word of any pattern
    for needles, pattern in _FOUND:
        if _any_in(lower, needles):
            text = _compiled(pattern).sub(r"\1" + HIDDEN, text)
    return text


_COMPILED = {}  # pattern -> what it is compiled to, once it is needed: all at once would take 20 ms of every start


def _compiled(pattern: str):
    if pattern not in _COMPILED:
        _COMPILED[pattern] = re.compile(pattern, re.IGNORECASE | re.DOTALL)
    return _COMPILED[pattern]


def redact_words(words) -> str:
    """A command line, given as its words (a secret may hold blanks, and be quoted over several), as one text."""
    words = list(words)
    line = " ".join(words)
    if not _any_in(line.lower(), _OF_NAMES):
        return redact(line)
    shown, hide = [], False
    for word in _whole(words):
        if hide and not word.startswith("-"):
            shown.append(HIDDEN)
            hide = False
            continue
        hide = _compiled(_FLAG).match(word) is not None
        shown.append(_compiled(_ASSIGNED).sub(r"\1" + HIDDEN, word) if _compiled(_ASSIGNED).match(word) else word)
    return redact(" ".join(shown))


def _whole(words) -> list:
    """The words, with those as one over which a quoted secret is split: --password="my secret", cut at its blanks."""
    closed = {word[-1:]: place for place, word in enumerate(words)}  # by what a word ends with: the last such one
    found, quote, flag = [], "", False
    for place, word in enumerate(words):
        if quote:
            found[-1].append(word)
            quote = "" if word.endswith(quote) else quote
            continue
        found.append([word])
        assigned = _compiled(_ASSIGNED).match(word)
        secret = word[assigned.end(1) :] if assigned else word if flag else ""
        opens = secret[:1] in ("'", '"') and not secret[1:].endswith(secret[0])
        quote = secret[0] if opens and closed.get(secret[0], place) > place else ""
        flag = _compiled(_FLAG).match(word) is not None
    return [" ".join(parts) for parts in found]


def redact_value(name: str, value: str) -> str:
    """The value of a variable, as far as it may be shown."""
    return HIDDEN if value and _compiled(_ENTIRE_NAME).match(name) else redact(value)


def suspicious(text: str) -> bool:
    """Whether anything in a text, of whatever length and however it is put together, needs a closer look."""
    return _any_in(text.lower(), _NEEDLES)


def _any_in(text: str, needles) -> bool:
    return any(map(text.__contains__, needles))
