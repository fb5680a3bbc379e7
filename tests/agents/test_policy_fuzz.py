"""Files that were cut, garbled or made up never permit what the sound ones don't."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.policy import judge
from agents.policyfile import Source, pieces
from agents.policyset import SCHEMA, compiled, read
from tests.support.governed import ACTIONS, ANNA, DESK, plan, policies, schema, shipped, world
from watchfloor.change import Ruling
from watchfloor.errors import ConfigError
from watchfloor.people import read as read_people
from watchfloor.places import PolicyPlaces

_FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
DEFAULT = next(text for text in shipped() if text.name.endswith("default.cedar"))
RISKY = [plan("drain_node", who=DESK), plan("flash_firmware", who=ANNA), plan("requeue_job", who=ANNA)]
_BITS = st.sampled_from([*'(){}[];:,."@/\\!&|=<?', "when", "unless", "permit", "forbid", "principal", "//", "\n", "\0"])


def nothing_is_permitted(*texts: Source) -> None:
    in_force = compiled(texts, schema(), ACTIONS)
    for risky in RISKY:
        assert judge(risky, world(risky), in_force).ruling is not Ruling.PERMIT
    if in_force.troubles:
        harmless = plan("look")
        assert judge(harmless, world(harmless), in_force).ruling is Ruling.DENY


@_FEW
@given(st.integers(0, len(DEFAULT.text)))
def test_a_file_that_was_cut(at: int) -> None:
    nothing_is_permitted(Source(DEFAULT.name, DEFAULT.text[:at]))
    nothing_is_permitted(Source(DEFAULT.name, DEFAULT.text[at:]))


@_FEW
@given(st.integers(0, len(DEFAULT.text)), _BITS)
def test_a_file_with_something_in_it_that_does_not_belong_there(at: int, bit: str) -> None:
    nothing_is_permitted(Source(DEFAULT.name, DEFAULT.text[:at] + bit + DEFAULT.text[at:]))


@_FEW
@given(st.lists(_BITS, max_size=40).map("".join) | st.text(max_size=200))
def test_a_made_up_file_beside_the_sound_one(text: str) -> None:
    nothing_is_permitted(*shipped(), Source("own/mine.cedar", text))


@_FEW
@given(st.binary(max_size=200))
def test_a_folder_with_bytes_in_its_files(tmp_path: Path, data: bytes) -> None:
    (tmp_path / SCHEMA).write_text(schema().text, "utf-8")
    (tmp_path / "default.cedar").write_bytes(data)
    in_force = read(PolicyPlaces(tmp_path), ACTIONS)
    assert all(judge(risky, world(risky), in_force).ruling is Ruling.DENY for risky in RISKY)


@_FEW
@given(st.text(max_size=200) | st.lists(st.sampled_from(list("gp:-[]{}, \n\"'#&*ax")), max_size=60).map("".join))
def test_a_people_file_is_read_or_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "people.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        people = read_people(path)
    except ConfigError as error:
        assert error.file == str(path)
        return
    asked = plan("drain_node")
    assert judge(asked, world(asked), policies(people=people)).ruling is Ruling.NEEDS_APPROVAL


@given(st.lists(st.sampled_from(['a "b;c" d;', "// e; f\n", "g\n;", '"h\\";i";', " \n"]), max_size=12).map("".join))
def test_policies_are_parted_at_their_ends_and_nowhere_else(text: str) -> None:
    for piece, line in pieces(text):
        assert piece in text
        assert text.splitlines()[line - 1 :] and piece.splitlines()[0] in text.splitlines()[line - 1]
