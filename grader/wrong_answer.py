"""Turns a right answer into a wrong one.

After a submission has passed, the worker tries its check on the teacher's answer and on the same answer spoiled. The
source of `spoil` becomes part of that answer, so it must stand alone.
"""


def spoil(answer):
    """Return something of the same type that no check may accept, or None for a type that has no rule here.

    A function becomes one whose results are spoiled, a data loader one that shuffles, a path one that leads nowhere.
    """
    if hasattr(answer, "iloc"):  # a DataFrame or Series
        return answer.iloc[:-1]
    if hasattr(answer, "dataset"):
        return type(answer)(answer.dataset, shuffle=True)
    if isinstance(answer, dict):
        return {key: spoil(value) for key, value in answer.items()}
    if isinstance(answer, tuple):
        return tuple(map(spoil, answer))
    if isinstance(answer, list):
        return answer[:-1]
    if isinstance(answer, str) or hasattr(answer, "__fspath__"):
        return type(answer)(f"{answer} (spoiled)")
    if isinstance(answer, (int, float)) or hasattr(answer, "dtype"):
        return answer + 1
    if callable(answer):
        return lambda *args, **kwargs: spoil(answer(*args, **kwargs))
    return None
