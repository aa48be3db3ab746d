"""Labelling: what is on disk when, what is read and refused, and the widget without a browser."""

import errno
import json
import os
import signal
import subprocess
import sys

import pandas as pd
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer_learning import LABELS, TweetFileError, load_tweets
from transfer_learning.annotate import AT_ONCE, AnnotationError, Annotator, read, write

TEXTS = ["It is <b>warm</b> & wet", "Ice melts\nfast", "“Hoax” 🌍", "Report out today"]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "anna.jsonl"


@pytest.fixture
def anna(path):
    return Annotator(TEXTS, LABELS, path)


def written(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def labels(path):
    frame = read(path, LABELS)
    return dict(zip(frame["text"], frame["label"]))


# The file


def test_a_decision_is_one_line_in_prodigys_form(anna, path):
    anna.label("Pro")
    anna.skip()
    first, second = written(path)
    assert first["text"] == TEXTS[0] and first["accept"] == ["Pro"] and first["answer"] == "accept"
    assert [option["id"] for option in first["options"]] == list(LABELS.values())
    assert second["text"] == TEXTS[1] and second["accept"] == [] and second["answer"] == "ignore"


def test_a_decision_is_on_disk_before_the_next_text_shows(anna, path, monkeypatch):
    anna._repr_mimebundle_()
    seen, real = [], os.fsync

    def fsync(descriptor):
        seen.append((len(written(path)), anna.current, TEXTS[0] in anna._widgets["page"].value, anna._progress()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    anna._widgets["page"].value = TEXTS[0]
    anna.label("News")
    assert seen == [(1, TEXTS[0], True, "0 of 4 done")]
    assert anna.current == TEXTS[1] and "melts" in anna._widgets["page"].value


def test_a_killed_kernel_loses_nothing(path):
    code = (
        "import os, signal, sys\nfrom transfer_learning.annotate import Annotator\n"
        "anna = Annotator(['a', 'b', 'c'], ['yes', 'no'], sys.argv[1])\n"
        "anna.label('yes'); anna.label('no')\nos.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT)
    assert done.returncode == -signal.SIGKILL
    again = Annotator(["a", "b", "c"], ["yes", "no"], path)
    assert again.decisions == {"a": "yes", "b": "no"} and again.current == "c"


def test_a_last_line_that_was_cut_off_is_dropped_with_a_message(path, capsys):
    anna = Annotator(TEXTS, LABELS, path)
    anna.label("Pro")
    first = path.read_bytes()
    anna.label("Anti")
    anna.label("News")
    second, third = path.read_bytes().splitlines(keepends=True)[1:]
    for cut in range(1, len(third) - 1):  # also in the middle of a sign
        path.write_bytes(first + second + third[:cut])
        assert list(read(path)["label"]) == ["Pro", "Anti"]
        assert path.read_bytes() == first + second + third[:cut]  # who reads changes nothing
        again = Annotator(TEXTS, LABELS, path)
        assert again.current == TEXTS[2] and path.read_bytes() == first + second
        assert capsys.readouterr().out.count("anna.jsonl: the last line was cut off") == 2
    path.write_bytes(first + second + third[:-1])  # only its end is missing
    Annotator(TEXTS, LABELS, path).label("Neutral")
    assert list(labels(path).values()) == ["Pro", "Anti", "News", "Neutral"]


def test_damage_elsewhere_is_an_error_and_nothing_is_touched(anna, path):
    anna.label("Pro")
    for content in (b'{"text": "a", \n' + path.read_bytes(), b"a diary\n", b"a diary", b"\xff\xfe\n"):
        path.write_bytes(content)
        with pytest.raises(AnnotationError, match=r"anna.jsonl: 1 of its lines cannot be used: line 1: not JSON"):
            Annotator(TEXTS, LABELS, path)
        assert path.read_bytes() == content


def test_reopening_goes_on_where_it_was(anna, path):
    anna.label("Pro")
    anna.skip()
    again = Annotator(TEXTS, LABELS, path)
    assert again.current == TEXTS[2] and "2 of 4 done, 1 skipped" in repr(again)
    again.undo()
    again.undo()
    again.undo()
    assert again.current == TEXTS[0] and again._message == "Nothing to undo."
    assert Annotator(TEXTS, LABELS, path).decisions == {}
    assert len(written(path)) == 4  # it only grows


def test_undo_shows_the_text_again_in_a_list_of_another_order(anna, path):
    anna.label("Pro")
    again = Annotator(TEXTS[::-1], LABELS, path)
    again.undo()
    assert again.current == TEXTS[0]
    again.label("Anti")
    assert labels(path) == {TEXTS[0]: "Anti"}


def test_what_is_decided_on_other_texts_stays(anna, path):
    anna.label("Pro")
    other = Annotator(["another one"], LABELS, path)
    assert other.decisions == {}
    other.undo()
    other.label("News")
    assert labels(path) == {TEXTS[0]: "Pro", "another one": "News"}


def test_two_annotators_have_two_files(tmp_path):
    anna, ben = (Annotator(TEXTS, LABELS, tmp_path / name) for name in ("anna.jsonl", "ben.jsonl"))
    anna.label("Pro")
    assert ben.current == TEXTS[0] and anna.current == TEXTS[1]
    ben.label("Anti")
    assert labels(tmp_path / "anna.jsonl") == {TEXTS[0]: "Pro"} and labels(tmp_path / "ben.jsonl") == {TEXTS[0]: "Anti"}


def test_equal_texts_are_asked_once(path):
    anna = Annotator(pd.Series(["a", "b", "a"]), ["yes", "no"], path)
    anna.label("yes")
    anna.label("no")
    anna.label("no")
    assert anna.current is None and anna._message == "All texts are done." and len(written(path)) == 2


def test_where_nothing_can_be_saved_the_text_stays(anna, path, monkeypatch):
    anna.label("Pro")
    before = path.read_bytes()

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError):
        anna.label("Anti")
    assert path.read_bytes() == before and anna.current == TEXTS[1]
    anna._repr_mimebundle_()
    anna._shown = 0
    anna._widgets["buttons"][0].click()
    assert "Not saved: No space left on device" in anna._widgets["message"].value and anna.current == TEXTS[1]


# What is refused


@pytest.mark.parametrize(
    ("texts", "names", "message"),
    [
        ([], LABELS, "texts: there are none"),
        ("a text", LABELS, "got a single text"),
        (["a", None, 3.0], LABELS, r"2 of 3 are empty or no text: number 1 is None; number 2 is 3.0"),
        (["a", " \n"], LABELS, "1 of 2 are empty"),
        (["a", "\ud83d"], LABELS, "1 of 2 are empty or no text"),
        ([""] * 9, LABELS, "number 4 is '' …"),
        (["a"], {}, "labels: expected two different names or more"),
        (["a"], ["yes"], "labels: expected two"),
        (["a"], "yes", "labels: expected two"),
        (["a"], ["yes", "yes"], "labels: expected two different"),
        (["a"], [1.5, 2.5], "labels: expected two"),
        (["a"], [None, "yes"], "labels: expected two"),
        (["a"], ["yes", " yes\n"], "labels: expected two different"),
        (["a"], [1, "1"], "labels: expected two different"),
        (["a"], ["yes", " "], "labels: expected two"),
        (["a"], ["yes", "\ud83d"], "labels: expected two"),
        (["a"], ["yes", "skip"], "names of buttons"),
    ],
)
def test_bad_texts_and_labels_are_refused_before_a_file_is_made(texts, names, message, path):
    with pytest.raises(AnnotationError, match=message):
        Annotator(texts, names, path)
    assert not path.exists()


def test_an_unknown_label_is_refused(anna, path):
    with pytest.raises(AnnotationError, match="unknown label 'pro'; the labels are Anti, Neutral, Pro, News"):
        anna.label("pro")
    assert path.read_bytes() == b""


def test_decisions_are_not_put_into_the_tweets(tmp_path):
    with pytest.raises(AnnotationError, match=r"ends in \.jsonl"):
        Annotator(TEXTS, LABELS, tmp_path / "tweets.csv")
    assert not (tmp_path / "tweets.csv").exists()


def test_the_file_of_another_task_is_refused(path):
    Annotator(TEXTS, ["cat", "dog"], path).label("cat")
    before = path.read_bytes()
    with pytest.raises(
        AnnotationError, match=r"line 1: of another task, with the labels cat, dog\. The labels are Anti"
    ):
        Annotator(TEXTS, LABELS, path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "b", "label": "Por", "answer": "accept"}', "unknown label 'Por'"),
        ('{"text": "b", "accept": ["Por"], "answer": "accept"}', "unknown label 'Por'"),
        ('{"text": "b", "accept": ["Pro", "News"], "answer": "accept"}', "expected one label"),
        ('{"text": "b", "accept": "Pro", "answer": "accept"}', "expected one label"),
        ('{"text": "b", "label": 1, "answer": "accept"}', "unknown label 1"),
        ('{"text": "b", "answer": "maybe"}', "unknown answer 'maybe'"),
        ('{"text": "b", "answer": ["accept"]}', "unknown answer"),
        ('{"text": 3, "answer": "accept"}', "no text in it"),
        ('{"label": "Pro"}', "no text in it"),
        ("[1]", "no text in it"),
        ("text,label", "not JSON"),
    ],
)
def test_a_bad_line_is_named_by_its_number(line, message, tmp_path):
    file = tmp_path / "prodigy.jsonl"
    file.write_text('{"text": "a", "label": "Pro", "answer": "accept"}\n\n' + f"{line}\n" * 7)
    with pytest.raises(
        AnnotationError, match=rf"prodigy.jsonl: 7 of its lines cannot be used: line 3: {message}"
    ) as error:
        read(file, LABELS)
    assert "line 7" in str(error.value) and "line 8" not in str(error.value) and "…" in str(error.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(AnnotationError, match="it cannot be read"):
        read(tmp_path / "none.jsonl")
    assert Annotator(TEXTS, LABELS, tmp_path / "new" / "folder" / "anna.jsonl").current == TEXTS[0]


# Prodigy's forms, and the course's


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([{"text": "a", "label": "Pro", "answer": "accept"}], {"a": "Pro"}),
        ([{"text": "a", "accept": ["Pro"], "options": [{"id": "Pro"}], "answer": "accept"}], {"a": "Pro"}),
        ([{"text": "a", "label": "Pro", "answer": "reject"}], {"a": None}),
        ([{"text": "a", "accept": [], "answer": "ignore"}], {"a": None}),
        ([{"text": "a"}], {"a": None}),
        ([{"text": "a", "label": "Pro"}], {"a": None}),  # a question, not an answer
        ([{"text": "a", "label": "Pro", "answer": "accept"}, {"text": "a"}], {"a": "Pro"}),
        (
            [{"text": "a", "label": "News", "answer": "accept"}, {"text": "a", "label": "Pro", "answer": "reject"}],
            {"a": "News"},
        ),
        (
            [{"text": "a", "label": "Pro", "answer": "accept"}, {"text": "a", "label": "Pro", "answer": "reject"}],
            {"a": None},
        ),
        (
            [{"text": "a", "label": "Pro", "answer": "reject"}, {"text": "a", "label": "News", "answer": "accept"}],
            {"a": "News"},
        ),
        ([{"text": "a", "label": "Pro", "answer": "accept"}, {"text": "a", "answer": "undo"}], {}),
    ],
)
def test_prodigys_forms_are_understood(lines, expected, tmp_path):
    file = tmp_path / "prodigy.jsonl"
    file.write_text("\ufeff" + "\r\n".join(map(json.dumps, lines)), encoding="utf-8")
    frame = read(file)
    assert dict(zip(frame["text"], frame["label"])) == expected
    assert list(frame.columns) == ["text", "label", "answer"]


def test_prodigys_unanswered_and_rejected_texts_are_still_asked(path):
    rows = [
        {"text": "a", "label": "Pro", "answer": "accept"},
        {"text": "b", "label": "Pro", "answer": "reject"},
        {"text": "c"},
        {"text": "d", "answer": "ignore"},
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    anna = Annotator(list("abcd"), LABELS, path)
    assert anna.decisions == {"a": "Pro", "d": None} and anna.current == "b"


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).filter(str.strip)
frames = st.dictionaries(texts, st.sampled_from([*LABELS.values(), None]), min_size=1)


@settings(deadline=None, max_examples=50)
@given(frames)
def test_what_is_written_as_jsonl_is_read_again(tmp_path_factory, pairs):
    file = tmp_path_factory.mktemp("round") / "prodigy.jsonl"
    write(pd.DataFrame({"text": list(pairs), "label": list(pairs.values())}), file)
    assert labels(file) == pairs
    assert all(
        line["answer"] in ("accept", "ignore") for line in map(json.loads, file.read_text("utf-8").split("\n")[:-1])
    )


@settings(deadline=None, max_examples=50)
@given(frames)
def test_what_is_written_as_csv_is_what_load_tweets_reads(tmp_path_factory, pairs):
    file = tmp_path_factory.mktemp("round") / "tweets.csv"
    labelled = {text: label for text, label in pairs.items() if label}
    write(pd.DataFrame({"text": list(pairs), "label": list(pairs.values())}), file)
    if labelled:
        df = load_tweets(file)
        assert dict(zip(df["message"], df["sentiment"].map(LABELS))) == labelled
        assert list(read(file)["label"]) == list(labelled.values())


def test_write_replaces_no_file_unasked_and_knows_its_labels(tmp_path):
    frame = pd.DataFrame({"text": ["a"], "label": ["Pro"]})
    file = tmp_path / "out.csv"
    file.write_text("precious")
    with pytest.raises(AnnotationError, match="there already; overwrite=True"):
        write(frame, file)
    assert file.read_text() == "precious"
    write(frame, file, overwrite=True)
    assert len(load_tweets(file)) == 1
    with pytest.raises(AnnotationError, match="unknown label Pro; the labels are cat, dog"):
        write(frame, tmp_path / "new.jsonl", labels=["cat", "dog"])
    with pytest.raises(AnnotationError, match=r"\.jsonl or \.csv"):
        write(frame, tmp_path / "new.txt")
    assert sorted(os.listdir(tmp_path)) == ["out.csv"]


# Labels of one's own: any list of them, never taken for the course's four


def both_files(frame, folder, names):
    """What is read again from JSONL and from CSV, with and without saying which labels there are."""
    for suffix in ("jsonl", "csv"):
        write(frame, folder / f"own.{suffix}", labels=names)
        for again in (read(folder / f"own.{suffix}"), read(folder / f"own.{suffix}", names)):
            yield dict(zip(again["text"], again["label"]))


def test_cat_and_dog_stay_cat_and_dog(tmp_path, capsys):
    frame = pd.DataFrame({"text": ["Miaow", "Woof", "Silence"], "label": ["cat", "dog", None]})
    for again in both_files(frame, tmp_path, ["cat", "dog"]):
        assert again.pop("Silence", None) is None and again == {"Miaow": "cat", "Woof": "dog"}
    assert (tmp_path / "own.csv").read_text() == '"text","label"\n"Miaow","cat"\n"Woof","dog"\n'
    with pytest.raises(TweetFileError, match="sentiment"):  # not taken for tweets
        load_tweets(tmp_path / "own.csv")
    assert capsys.readouterr().out == ""
    # the names of two of the course's classes, or all four in a different order, are labels of one's own, too
    frame = pd.DataFrame({"text": ["a", "b"], "label": ["Pro", "Anti"]})
    for number, names in enumerate((["Pro", "Anti"], list(LABELS.values()), {1: "Anti", 0: "Pro"})):
        (tmp_path / str(number)).mkdir()
        for again in both_files(frame, tmp_path / str(number), names):
            assert again == {"a": "Pro", "b": "Anti"}


ODD = [
    '"quoted"',
    "one, two",
    "two\nlines",
    "ja 🌍 是",
    "007",
    "NA",
    "None",
    "<b>",
    "a;b\tc",
    "=1+1",
    "0.5",
    "nan",
    "'",
]
own = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).map(str.strip)
own = own.filter(lambda name: name and name not in ("skip", "undo"))


@settings(deadline=None, max_examples=50)
@given(st.lists(own, min_size=2, max_size=40, unique=True), st.data())
def test_any_list_of_labels_comes_back_as_it_was(tmp_path_factory, names, data):
    for some in (names, ODD):
        texts = [f"text {n}" for n in range(len(some))]
        frame = pd.DataFrame({"text": texts, "label": data.draw(st.permutations(some))})
        for again in both_files(frame, tmp_path_factory.mktemp("own"), some):
            assert again == dict(zip(frame["text"], frame["label"]))


def test_labels_are_taken_without_space_around_them_and_numbers_as_text(path, tmp_path):
    anna = Annotator(["a", "b"], ["cat\n", " dog "], path)
    anna.label("cat\n")
    anna.label("dog")
    assert anna.decisions == {"a": "cat", "b": "dog"}
    frame = pd.DataFrame({"text": ["a", "b"], "label": [1, 5]})
    for again in both_files(frame, tmp_path, range(1, 6)):
        assert again == {"a": "1", "b": "5"}
    frame = pd.DataFrame({"text": ["a", "b"], "label": [1, None]})  # where one is missing, pandas makes floats of them
    for again in both_files(frame, tmp_path / "new folder", [0, 1]):
        assert again.pop("b", None) is None and again == {"a": "1"}
    write(pd.DataFrame({"text": ["a"], "label": [" cat"]}), tmp_path / "space.csv", labels=["cat", "dog"])
    assert read(tmp_path / "space.csv")["label"][0] == "cat"


def test_labels_that_are_not_the_courses_have_to_be_named(tmp_path):
    frame = pd.DataFrame({"text": ["a", "b"], "label": ["cat", "dog"]})
    with pytest.raises(AnnotationError, match=r"unknown label cat, dog; .* give your own as labels=\["):
        write(frame, tmp_path / "own.csv")
    assert not (tmp_path / "own.csv").exists()


def test_a_csv_from_elsewhere(tmp_path):
    file = tmp_path / "own.csv"
    file.write_text(
        "\ufeffid,label,text\r\n1, cat,Miaow\r\n2,,Silence\r\n3,cow,Moo\r\n4,cat,Miaow\r\n", encoding="utf-8"
    )
    frame = read(file)
    assert frame.to_dict("list") == {
        "text": ["Miaow", "Silence", "Moo", "Miaow"],
        "label": ["cat", None, "cow", "cat"],
        "answer": ["accept", None, "accept", "accept"],
    }
    with pytest.raises(
        AnnotationError, match=r"own.csv: 1 of its rows .*: row 2: unknown label 'cow'. The labels are cat"
    ):
        read(file, ["cat", "dog"])
    file.write_text("text,label\nMiaow,cat\n ,cat\n")
    with pytest.raises(AnnotationError, match=r"own.csv: 1 of its rows cannot be used: row 1: no text in it"):
        read(file)


def test_files_of_the_old_version(tmp_path, capsys):
    course = tmp_path / "course.csv"
    course.write_text('"sentiment","message","tweetid"\n-1,"a",0\n2,"b",1\n')
    for names in (None, LABELS):
        assert list(read(course, names)["label"]) == ["Anti", "News"]
    assert capsys.readouterr().out == "course.csv: sentiment is read as -1 Anti, 0 Neutral, 1 Pro, 2 News\n"
    own = tmp_path / "own.csv"  # had the number of a label, and not its name
    own.write_text('"sentiment","message","tweetid"\n0,"a",0\n4,"b",1\n')
    assert list(read(own, list("vwxyz"))["label"]) == ["v", "z"]
    with pytest.raises(AnnotationError, match=r"row 1: unknown label 'sentiment 4'\. The labels are cat, dog"):
        read(own, ["cat", "dog"])
    with pytest.raises(AnnotationError, match=r"1 of its rows .* row 0: unknown label 'sentiment 0'"):
        read(own, {4: "0", 5: "1"})  # a number is never taken for a name
    with pytest.raises(AnnotationError, match="row 1: unknown label 'sentiment 4'"):
        read(own)
    lines = (
        '{"text": "a", "options": [{"id": "cat", "text": "cat"}, {"id": "dog", "text": "dog"}], '
        '"accept": ["cat"], "answer": "accept"}\n'
        '{"text": "b", "options": [{"id": "cat", "text": "cat"}, {"id": "dog", "text": "dog"}], '
        '"accept": [], "answer": "ignore"}\n{"text": "b", "answer": "undo"}\n'
    )
    (tmp_path / "own.jsonl").write_text(lines)
    anna = Annotator(["a", "b"], ["cat", "dog"], tmp_path / "own.jsonl")
    assert anna.decisions == {"a": "cat"} and anna.current == "b"
    anna.label("dog")
    assert (tmp_path / "own.jsonl").read_text().startswith(lines)


# The widget


@pytest.fixture
def shown(anna, monkeypatch):
    """The widget on screen, long enough for its text to have been read."""
    clock = [1000.0]
    monkeypatch.setattr("transfer_learning.annotate.time.monotonic", lambda: clock[0])
    anna._repr_mimebundle_()
    clock[0] += 1
    anna.clock = clock
    return anna


def press(anna, description):
    next(b for b in anna._widgets["buttons"] if b.description == description).click()
    anna.clock[0] += 1


def test_the_buttons_label_skip_and_undo(shown):
    assert [b.description for b in shown._widgets["buttons"]] == [
        "1 Anti",
        "2 Neutral",
        "3 Pro",
        "4 News",
        "s skip",
        "u undo",
    ]
    press(shown, "3 Pro")
    press(shown, "s skip")
    press(shown, "1 Anti")
    press(shown, "u undo")
    press(shown, "4 News")
    assert shown.decisions == {TEXTS[0]: "Pro", TEXTS[1]: None, TEXTS[2]: "News"}
    press(shown, "4 News")
    press(shown, "4 News")
    assert "All done" in shown._widgets["page"].value and "All texts are done." in shown._widgets["message"].value


def test_the_keys_do_the_same(shown):
    box = shown._widgets["box"]
    for key in ("3", "S", "1", "u", " ", "x", "4"):
        box.value = key
        assert box.value == ""
        shown.clock[0] += 1
        if key == "x":
            assert "The key x has no meaning here." in shown._widgets["message"].value
    assert shown.decisions == {TEXTS[0]: "Pro", TEXTS[1]: None, TEXTS[2]: "News"}


def test_a_press_for_a_text_that_nobody_can_have_read_does_not_count(shown):
    button = shown._widgets["buttons"][0]
    button.click()
    button.click()  # the second half of a double click
    shown._widgets["box"].value = "2"
    assert list(shown.decisions) == TEXTS[:1]
    shown.clock[0] += AT_ONCE
    button.click()
    assert list(shown.decisions) == TEXTS[:2]


def test_texts_and_labels_are_shown_escaped(path):
    anna = Annotator(["<script>x</script>"], ["a<b", "c"], path)
    bundle = anna._repr_mimebundle_()
    assert "<script>" not in anna._widgets["page"].value + bundle["text/html"] and "a&lt;b" in bundle["text/html"]
    assert "<script>" in bundle["text/plain"] and "a<b" in bundle["text/plain"]


def buttons(path, names):
    anna = Annotator(["a"], names, path)
    anna._repr_mimebundle_()
    return [button.description for button in anna._widgets["buttons"]]


def test_after_nine_labels_the_keys_are_letters_and_then_there_are_none(path):
    shown = buttons(path, [f"class {n}" for n in range(36)])
    assert shown[8:11] == ["9 class 8", "a class 9", "b class 10"]
    assert shown[-6:] == ["z class 32", "class 33", "class 34", "class 35", "s skip", "u undo"]
    assert len({text.split()[0] for text in shown[:33]} | {"s", "u"}) == 35


def test_labels_that_are_digits_are_their_own_keys(path):
    assert buttons(path, [0, 1]) == ["0 0", "1 1", "s skip", "u undo"]
    assert buttons(path, [5, 4, 3, 2, 1])[:2] == ["5 5", "4 4"]
    assert buttons(path, ["1", "10"])[:2] == ["1 1", "2 10"]


def test_five_labels_by_key(path, monkeypatch):
    monkeypatch.setattr("transfer_learning.annotate.AT_ONCE", 0)
    names = [*"vwxyz", *(f"more {n}" for n in range(6))]
    anna = Annotator(list("abcd"), names, path)
    anna._repr_mimebundle_()
    for key in ("5", "A", "b"):
        anna._widgets["box"].value = key
    assert anna.decisions == {"a": "z", "b": "more 4", "c": "more 5"}
    assert list(read(path, names)["label"]) == ["z", "more 4", "more 5"]
    assert "a more 4 · b more 5 · s skip" in repr(anna)


def test_what_is_stored_is_the_same_at_every_run(tmp_path):
    bundles = [Annotator(TEXTS, LABELS, tmp_path / name / "a.jsonl")._repr_mimebundle_() for name in ("one", "two")]
    views = [bundle.pop("application/vnd.jupyter.widget-view+json")["model_id"] for bundle in bundles]
    assert bundles[0] == bundles[1] and views[0] != views[1]
    assert "0 of 4 done" in bundles[0]["text/plain"] and TEXTS[0] in bundles[0]["text/plain"]


def test_colab_gets_the_widget_and_no_page_beside_it(anna, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", object())
    assert set(anna._repr_mimebundle_()) == {"application/vnd.jupyter.widget-view+json", "text/plain"}
