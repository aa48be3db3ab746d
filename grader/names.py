"""What the names of handed-in files and folders say: whose they are, and which of two is newer."""

import os
import re
import unicodedata
from datetime import datetime

# How learning platforms name what a teacher downloads. "number" grows with each upload.
PLATFORMS = [
    re.compile(r"(?P<student>.+?)_assignsubmission_[a-z]+(_.*)?"),  # Moodle: Name_12345_assignsubmission_file_x
    re.compile(r"(?P<student>[^_]+_)(LATE_)?(?P<user>\d{3,})_(?P<number>\d{4,})_.+"),  # Canvas: name_LATE_123_4567_x
    re.compile(r".+_(?P<student>[^_]+)_attempt_(?P<time>\d{4}(-\d\d){5})(_.*)?"),  # Blackboard
    re.compile(r"\d+-\d+ - (?P<student>.+?) ?- (?P<time>.+ \d{4} .*?\d{3,4}( [AP]M)?)( - .*)?"),  # Brightspace
    re.compile(r"(?P<student>[^+]+)\+[^+]+\+(?P<time>\d{4}-[^+]+)(\+.*)?"),  # nbgrader's exchange
]
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
CLOCK = r"(?P<hour>\d{1,2}):?(?P<minute>\d\d)(:(?P<second>\d\d))?( ?(?P<half>[AP]M))?"
DAY = r"(?<!\d)(?P<year>20\d\d)[-_.](?P<month>\d\d)[-_.](?P<day>\d\d)"
TIME_OF_DAY = r"(?P<hour>\d\d)[-_.:h]?(?P<minute>\d\d)([-_.:]?(?P<second>\d\d)(\.\d{3,6})?)?"
TIMES = [
    re.compile(rf"{DAY}(?:[T_ ,.-]+(at )?{TIME_OF_DAY}( UTC|Z)?)?(?!\d)"),
    # a number of eight digits may be a student's: it takes a time of day to make a date of it
    re.compile(rf"{DAY.replace('[-_.]', '')}(?:[T_ -]{TIME_OF_DAY}|(?P<h>\d\d)(?P<m>\d\d)(?P<s>\d\d)(\d{{3}})?)(?!\d)"),
    re.compile(rf"(?P<name>{'|'.join(MONTHS)})[a-z]* (?P<day>\d{{1,2}}),? (?P<year>20\d\d),? {CLOCK}"),
    re.compile(rf"(?P<day>\d{{1,2}}) (?P<name>{'|'.join(MONTHS)})[a-z]*,? (?P<year>20\d\d),? {CLOCK}"),
]
COPY = re.compile(r"(- |-| )copy ?\d*$|^copy of ", re.IGNORECASE)  # Windows, Jupyter, macOS; Google Drive
DOWNLOADED_AGAIN = re.compile(r" ?\(\d+\)$")
EDGES = " _.,-"


def readable(name):
    """Return a file's name as text; bytes that are not UTF-8 become ``\\xfc``, so that two names stay different."""
    return unicodedata.normalize("NFC", os.fsencode(name).decode("utf-8", "backslashreplace"))


def student(name, siblings=()):
    """Return whose file or folder this is: the name without what a platform, a clock or a browser put there.

    Parameters
    ----------
    name : str
        Of a folder, or of a file without its suffix.
    siblings : collection of str
        The other names in its folder: "ann (2)" is a copy if there is an "ann", otherwise "Group (2)" is a name.
    """
    for platform in PLATFORMS:
        if match := platform.fullmatch(name):
            return match["student"] + (match.groupdict().get("user") or "")
    short = COPY.sub("", name)
    if (again := DOWNLOADED_AGAIN.sub("", short)) in siblings:
        short = again
    if (found := _find_time(short)) is not None:
        before, after = (part.strip(EDGES) for part in (short[: found.start()], short[found.end() :]))
        short = "_".join(filter(None, (before, after)))
    return name if short == name else short.strip(EDGES) or name


def order(name):
    """Return what tells this name's age: ("number", n) or ("time", datetime), both higher when newer; or None."""
    for platform in PLATFORMS:
        if match := platform.fullmatch(name):
            groups = match.groupdict()
            if groups.get("number"):
                return "number", int(groups["number"])
    match = _find_time(name)
    return match and ("time", _time(match))


def _find_time(name):
    """Return the last match of a date, with or without a time of day, that exists in the calendar."""
    for pattern in TIMES:
        matches = [match for match in pattern.finditer(name) if _time(match)]
        if matches:
            return matches[-1]
    return None


def _time(match):
    long = {"h": "hour", "m": "minute", "s": "second"}
    parts = {long.get(key, key): value for key, value in match.groupdict().items() if value}
    month = MONTHS.index(parts["name"]) + 1 if "name" in parts else int(parts["month"])
    hour = int(parts.get("hour", 0))
    if "half" in parts:
        hour = hour % 12 + 12 * (parts["half"] == "PM")
    try:
        return datetime(
            int(parts["year"]), month, int(parts["day"]), hour, int(parts.get("minute", 0)), int(parts.get("second", 0))
        )
    except ValueError:
        return None
