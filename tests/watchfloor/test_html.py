"""Pages that stand alone: nothing in them breaks their markup, nothing comes from elsewhere; gaps are shown as such."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from xml.etree import ElementTree

from watchfloor.html.markup import Html, escape, facts, joined, paragraph, table, tag
from watchfloor.html.page import Section, page
from watchfloor.html.plot import Bar, Mark, Plot, Point, Series, bars, lines, steps, thinned, told

HOSTILE = '<script>alert("1")</script><img src=x onerror=alert(1)>\' & \x1b[2J\u202egnp'


class _Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def plot(*points: Point, marks: tuple[Mark, ...] = ()) -> Plot:
    return Plot(
        "temperature", [Series("n2/gpu0", points)], lambda at: f"{at:g} s", lambda value: f"{value:g} °C", marks
    )


def paths(drawn: Html) -> list[str]:
    return re.findall(r'<path d="([^"]*)"', drawn)


def test_a_text_is_escaped_and_markup_is_not() -> None:
    assert tag("p", "a < b", tag("b", "c")) == "<p>a &lt; b<b>c</b></p>"
    assert tag("a", "x", href='"><script>', class_="one") == '<a href="&quot;&gt;&lt;script&gt;" class="one">x</a>'
    assert escape("a\x1b\u202eb\nc") == "a··b\nc"
    assert escape(escape("&")) == "&amp;"


def test_whatever_a_page_is_told_stays_text() -> None:
    shown = joined(
        (facts([(HOSTILE, HOSTILE)]), table([HOSTILE], [[HOSTILE]]), paragraph(HOSTILE), lines(plot((0, 1.0))))
    )
    drawn = bars(HOSTILE, [Bar(HOSTILE, 1.0, HOSTILE)], HOSTILE)
    found = _Tags(page(HOSTILE, [Section(HOSTILE, shown), Section("plain", HOSTILE), Section("bars", drawn)], HOSTILE))
    assert not {"script", "img", "iframe", "object", "link"} & {name for name, _ in found.seen}
    assert not [names for _, names in found.seen if any(name.startswith("on") for name in names)]
    assert sum('<script>alert("1")' in word for word in found.words) >= 7
    assert not [word for word in found.words if "\x1b" in word or "\u202e" in word]


def test_a_page_needs_nothing_from_elsewhere() -> None:
    text = page("one", [Section("a", lines(plot((0, 1.0), (9, 2.0)))), Section("b", "")])
    addresses = [names[name] for _, names in _Tags(text).seen for name in ("src", "href") if name in names]
    assert addresses == ["#s1", "#s2"]
    assert "url(" not in text and "@import" not in text
    assert "default-src &#x27;none&#x27;" in text


def test_what_wasnt_known_is_a_gap() -> None:
    told = lines(plot((0, 1.0), (1, 2.0), (2, None), (3, 3.0), (4, 4.0)))
    (path,) = paths(told)
    assert path.count("M") == 2
    assert "nothing is known of it" in lines(plot((0, None)))
    assert not paths(lines(plot((0, None))))


def test_a_step_holds_until_the_next_or_until_nothing_is_known() -> None:
    (path,) = paths(steps(plot((0, 0.0), (10, 2.0), (15, None), (20, 1.0))))
    assert path == "M62,196 H475 V16 H681.5 M888,106 H888"


def test_a_plot_is_xml_with_a_title_and_its_marks() -> None:
    marks = (Mark(10, "4", "xid 79"), Mark(12, "6", "drained"), Mark(900, "21", "<back>"))
    drawn = lines(plot((0, 1.0), (1000, 2.0), marks=marks))
    svg = ElementTree.fromstring(drawn[drawn.index("<svg") : drawn.index("</svg>") + 6])
    words = [element.text for element in svg.iter("text")]
    assert svg.findtext("title") == "temperature"
    assert "4–6" in words and "21" in words
    assert "<strong>21</strong> 900 s &lt;back&gt;" in told(marks, lambda at: f"{at:g} s")


def test_many_points_keep_their_highest_lowest_and_gaps() -> None:
    points: list[Point] = [(float(at), 50.0) for at in range(100_000)]
    points[777], points[50_000], points[99_000] = (777.0, 99.0), (50_000.0, None), (99_000.0, 1.0)
    kept = thinned(points)
    assert len(kept) < 2_000
    assert {points[777], points[50_000], points[99_000]} <= set(kept)
    assert kept == sorted(kept, key=lambda point: point[0])


def test_bars_are_as_long_as_their_values_and_say_what_isnt_known() -> None:
    drawn = bars("faults", [Bar("xid 79", 4.0, "4"), Bar("xid 48", 1.0, "1"), Bar("xid 94", None, "not known")])
    wide = [float(found) for found in re.findall(r'<rect [^>]*width="([\d.]+)"', drawn)]
    assert wide[0] == 4 * wide[1] and wide[2] == 0
    assert ">not known<" in drawn
