"""The teachers' pages: plans whose minutes add up, every lesson's questions with their answers, every mistake."""

import re

import course
import pytest
from conftest import ROOT

from transfer_learning.check import MISCONCEPTIONS

PAGE = (ROOT / "teaching.md").read_text(encoding="utf-8")
LESSONS = {path.name[:2]: path for path in course.lessons()}
BULLETS = ["Say", "Do", "Ask (expected answer)", "Skip when late", "Mistakes met most"]


def section(heading):
    """What is below a heading that begins so, down to the next heading of the same level or a higher one."""
    level = heading.split()[0]
    found = re.search(rf"^{re.escape(heading)}[^\n]*\n(.*?)(?=^#{{1,{len(level)}}} |\Z)", PAGE, flags=re.M | re.S)
    assert found, heading
    return found[1]


def plans():
    """(minutes in the heading, rows of the table) of each plan; a row is from, minutes, what, if you are late."""
    for title in re.findall(r"^### (.*\d+ minutes)$", section("## Plans"), flags=re.M):
        table = re.findall(r"^\| (\d+:\d\d) \| (\d+) \| (.*?) \|(.*)\|$", section(f"### {title}"), flags=re.M)
        yield int(re.search(r"(\d+) minutes", title)[1]), table


def test_there_is_a_plan_for_each_of_the_usual_times():
    assert [minutes for minutes, _ in plans()][:3] == [45, 90, 180]
    assert len(list(plans())) == 4 and 360 <= max(minutes for minutes, _ in plans()) <= 480


@pytest.mark.parametrize(
    ("minutes", "rows"), list(plans()), ids=lambda value: str(value) if isinstance(value, int) else ""
)
def test_the_minutes_of_a_plan_add_up(minutes, rows):
    at = 0
    for start, length, *_ in rows:
        hours, past = map(int, start.split(":"))
        assert 60 * hours + past == at, start
        at += int(length)
    assert at == minutes
    text = " ".join(what for _, _, what, _ in rows)
    assert all(word in text for word in ("Welcome", "Set-up check", "Slack", *["Break"] * (minutes > 45)))


@pytest.mark.parametrize(
    ("minutes", "rows"), list(plans()), ids=lambda value: str(value) if isinstance(value, int) else ""
)
def test_from_90_minutes_up_everyone_trains_a_classifier_and_types_at_it(minutes, rows):
    does = [(what, int(length)) for _, length, what, _ in rows]
    trains = [n for n, (what, length) in enumerate(does) if what.startswith("**08: train.**") and length >= 8]
    types = [n for n, (what, length) in enumerate(does) if what.startswith("**08: everyone types**") and length >= 10]
    assert minutes < 90 or (trains and types and trains[0] < types[0])


@pytest.mark.parametrize("number", LESSONS)
def test_each_lesson_has_its_place(number):
    """Its title, its link, and five bullets in this order: slides are made from them."""
    (title,) = re.findall(rf"^### ({number} · .*)$", PAGE, flags=re.M)
    assert course.lesson_row(LESSONS[number], ROOT).startswith(f"| [{title}]")
    text = section(f"### {title}")
    assert f"](notebooks/{LESSONS[number].name})" in text
    assert re.findall(r"^- \*\*(.+?):\*\*", text, flags=re.M) == BULLETS
    said = re.search(r"^- \*\*Say:\*\* (.*?)(?=^- )", text, flags=re.M | re.S)[1]
    assert 20 <= len(said.split()) <= 80


@pytest.mark.parametrize("number", LESSONS)
def test_each_question_of_a_lesson_has_its_expected_answer(number):
    asked = section(f"### {number} · ").split("- **Ask (expected answer):**")[1].split("\n- **")[0]
    bullets = [" ".join(bullet.split()) for bullet in re.split(r"^  - ", asked, flags=re.M)[1:]]
    questions = course.questions(LESSONS[number])
    assert len(bullets) == len(questions)
    for bullet, question in zip(bullets, questions):
        found, answer = bullet.replace("*", "")[: len(question.replace("*", ""))], bullet.replace("*", "")
        assert found == question.replace("*", "")
        assert len(answer.removeprefix(found).split()) >= 1, question


@pytest.mark.parametrize("number", LESSONS)
def test_what_to_skip_is_in_the_lesson(number):
    """What stands in quotation marks is a heading of the lesson."""
    lesson = LESSONS[number].read_text(encoding="utf-8").replace('\\"', '"')
    skipped = section(f"### {number} · ").split("- **Skip when late:**")[1].split("\n- **")[0]
    for heading in re.findall(r'"([^"]+)"', " ".join(skipped.split())):
        assert re.search(rf'"##+ .*{re.escape(heading.rstrip(".?"))}', lesson), heading


@pytest.mark.parametrize("number", LESSONS)
def test_three_mistakes_stand_with_each_lesson(number):
    text = section(f"### {number} · ").split("- **Mistakes met most:**")[1]
    found = re.findall(r"^  - \*\*(.+?)\*\*: (.+)$", text, flags=re.M)
    assert len(found) == 3
    if number != "00":  # it has no homework
        own = MISCONCEPTIONS[f"hw{number}"].values()
        assert all(any((entry["name"], entry["why"]) == one for entry in own) for one in found)


def test_the_catalogue_has_every_mistake_once_and_the_most_frequent_first():
    page = (ROOT / "mistakes.md").read_text(encoding="utf-8")
    for name, own in MISCONCEPTIONS.items():
        heading = "## In any homework" if name == "any" else f"## {name[2:]} · "
        text = re.search(rf"^{heading}.*?(?=^## |\Z)", page, flags=re.M | re.S)[0]
        shown = re.findall(r"^- \*\*(.+?)\*\*: (.+)$", text, flags=re.M)
        assert sorted(shown) == sorted((entry["name"], entry["why"]) for entry in own.values())
        first = course.MET_MOST[name]
        assert len(first) >= 3 and [one for one, _ in shown[: len(first)]] == [own[slug]["name"] for slug in first]
    assert page.index("## In any homework") < page.index("## 01 · ")


def test_links_on_the_teachers_pages_resolve():
    for name in ("teaching.md", "mistakes.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
            file, _, anchor = target.partition("#")
            assert not file or (ROOT / file).exists(), target
            if anchor and not file:
                headings = re.findall(r"^#+ (.+)$", text, flags=re.M)
                assert anchor in [re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings]


def test_commands_and_messages_are_what_start_py_knows_and_says():
    source = "".join((ROOT / name).read_text(encoding="utf-8") for name in ("start.py", "tools/installer.py"))
    commands = set(re.findall(r"python3 start\.py ([a-z]+)", PAGE))
    assert {"doctor", "grade", "pack", "run", "zip"} <= commands
    for command in commands:
        assert f'add_parser("{command}"' in source, command
    faults = re.findall(r"^\| (.+?) \|", section("## Faults and first aid"), flags=re.M)
    assert len(faults) >= 12
    for message in ("found; the course needs", "Not enough disk", "The disk is full"):
        assert message in source and message in "".join(faults), message
