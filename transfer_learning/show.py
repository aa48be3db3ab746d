"""The pictures of the course.

Every function returns something that a notebook displays when it is a cell's last line, with a text
alternative that states what the picture shows. Colours are those of Okabe and Ito (2008), told apart by
colour-blind people and, by their lightness, in grey.
"""

import html

DARK, BLUE, ORANGE, GREEN, LIGHT = "#1b1b1b", "#0072B2", "#E69F00", "#009E73", "#dfe7ee"
WIDTH = 7.5  # inches


def _figure(height, alt, **options):
    """A matplotlib Figure, free of pyplot's global state, whose text alternative travels with it."""
    from matplotlib.figure import Figure

    class Picture(Figure):
        def _repr_mimebundle_(self, include=None, exclude=None):
            import io

            file = io.BytesIO()
            self.savefig(file, format="png", dpi=110)
            return {"image/png": file.getvalue(), "text/plain": self.alt}, {"image/png": {"alt": self.alt}}

    figure = Picture(figsize=(WIDTH, height), layout="constrained")
    figure.alt = alt
    axes = figure.subplots(**options)
    for ax in figure.axes:
        ax.spines[["top", "right"]].set_visible(False)
    return figure, axes


class Page:
    """HTML with a plain-text alternative."""

    def __init__(self, page, alt):
        self.page, self.alt = page, alt

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/html": self.page, "text/plain": self.alt}

    def __repr__(self):
        return self.alt


def tokens(input_ids, tokenizer, attention_mask=None):
    """Show a sequence as boxes, each token above its id; special tokens filled, masked-out ones empty.

    Parameters
    ----------
    input_ids : sequence of int, shape (length,)
    tokenizer : transformers.PreTrainedTokenizerBase
    attention_mask : sequence of {0, 1}, shape (length,), optional

    Returns
    -------
    Page
    """
    ids = [int(i) for i in input_ids]
    mask = [1] * len(ids) if attention_mask is None else [int(m) for m in attention_mask]
    special = set(tokenizer.all_special_ids)
    names = tokenizer.convert_ids_to_tokens(ids)
    boxes = []
    for name, number, attended in zip(names, ids, mask, strict=True):
        fill = f"background:{BLUE};color:#fff" if number in special else f"background:{LIGHT};color:{DARK}"
        if not attended:
            fill = "background:#fff;color:#595959;outline:1px dashed #999"
        boxes.append(
            f'<span style="display:inline-block;text-align:center;padding:2px 6px;margin:2px;border-radius:4px;{fill}">'
            f"<b>{html.escape(name)}</b><br><small>{number}</small></span>"
        )
    alt = " ".join(f"{name}·{number}" for name, number in zip(names, ids))
    return Page(f'<div style="line-height:1.3;max-width:60em">{"".join(boxes)}</div>', alt)


def columns(lists, widths=None):
    """Show lists of texts side by side, one column each.

    Parameters
    ----------
    lists : dict of str to iterable of str, all of the same length
    widths : sequence of int, one a column, optional
        Shares of the width in percent; all alike by default.

    Returns
    -------
    Page
    """
    lists = {title: [str(text) for text in texts] for title, texts in lists.items()}
    widths = widths or [100 // len(lists)] * len(lists)
    cell = "text-align:left;vertical-align:top;padding:.4em 1em .4em 0;white-space:normal"
    head = "".join(f'<th style="{cell};border-bottom:2px solid {BLUE}">{html.escape(title)}</th>' for title in lists)
    rows = "".join(
        "<tr>"
        + "".join(
            f'<td style="{cell};width:{width}%">{html.escape(text)}</td>'
            for text, width in zip(row, widths, strict=True)
        )
        + "</tr>"
        for row in zip(*lists.values(), strict=True)
    )
    alt = "\n".join(f"{title}:\n" + "\n".join(f"  {text}" for text in texts) for title, texts in lists.items())
    return Page(f'<table style="border-collapse:collapse;max-width:60em"><tr>{head}</tr>{rows}</table>', alt)


def guesses(words, probabilities):
    """Show a model's guesses for one gap as bars.

    Parameters
    ----------
    words : sequence of str, shape (k,)
    probabilities : sequence of float, shape (k,), each in 0..1

    Returns
    -------
    matplotlib.figure.Figure
    """
    shares = [float(p) for p in probabilities]
    alt = "Guesses: " + ", ".join(f"{word} {share:.0%}" for word, share in zip(words, shares, strict=True))
    figure, ax = _figure(0.5 + 0.32 * len(shares), alt)
    ax.bar_label(ax.barh(range(len(shares)), shares, color=BLUE), [f"{share:.0%}" for share in shares], padding=3)
    ax.set_yticks(range(len(shares)), words)
    ax.set(xlim=(0, 1), xlabel="probability")
    ax.invert_yaxis()
    return figure


def bars(values, unit):
    """Show amounts as bars, each with its number.

    Parameters
    ----------
    values : dict of str to float
    unit : str
        Follows each number: "s", "MB".

    Returns
    -------
    matplotlib.figure.Figure
    """
    numbers = [f"{float(value):.{digits}f}" for value in values.values() for digits in [2 if value < 10 else 0]]
    alt = "; ".join(f"{name}: {number} {unit}" for name, number in zip(values, numbers))
    figure, ax = _figure(0.5 + 0.32 * len(values), alt)
    drawn = ax.barh(range(len(values)), [float(value) for value in values.values()], color=BLUE)
    ax.bar_label(drawn, numbers, padding=3)
    ax.set_yticks(range(len(values)), values)
    ax.margins(x=0.12)
    ax.set(xlabel=unit)
    ax.invert_yaxis()
    return figure


def lengths(lengths, max_len=None):
    """Show how many sequences have which length, and what MAX_LEN cuts.

    Parameters
    ----------
    lengths : sequence of int, shape (n,), in tokens
    max_len : int, optional, in tokens

    Returns
    -------
    matplotlib.figure.Figure
    """
    import numpy as np

    values = np.asarray(lengths)
    alt = f"Lengths of {len(values)} sequences: {values.min()} to {values.max()} tokens, median {np.median(values):.0f}"
    if max_len is not None:
        alt += f"; {(values > max_len).sum()} are longer than MAX_LEN = {max_len}"
    figure, ax = _figure(2.6, alt)
    ax.hist(values, bins=np.arange(values.min(), values.max() + 2) - 0.5, color=BLUE)
    if max_len is not None:
        ax.axvline(max_len + 0.5, color=ORANGE, lw=3)
        ax.annotate(f"MAX_LEN = {max_len} ", (max_len, ax.get_ylim()[1]), ha="right", va="top")
    ax.set(xlabel="tokens", ylabel="sequences")
    return figure


def mask(attention_mask, rows=12):
    """Show the first rows of an attention mask: dark is attended to, light is padding.

    Parameters
    ----------
    attention_mask : array-like of {0, 1}, shape (n, length)
    rows : int
        How many rows to draw.

    Returns
    -------
    matplotlib.figure.Figure
    """
    import numpy as np

    matrix = np.asarray(attention_mask)[:rows]
    alt = f"Attention mask, {matrix.shape[0]} rows of {matrix.shape[1]} positions; ones a row: " + ", ".join(
        str(n) for n in matrix.sum(1)
    )
    figure, ax = _figure(0.9 + 0.17 * len(matrix), alt)
    ax.pcolormesh(matrix, cmap=_two_colours(), vmin=0, vmax=1, edgecolors="white", linewidth=0.5)
    ax.invert_yaxis()
    ax.set_yticks(np.arange(len(matrix)) + 0.5, range(len(matrix)))
    ax.set(xlabel="position (dark: a real token, light: padding)", ylabel="row")
    return figure


def _two_colours():
    from matplotlib.colors import ListedColormap

    return ListedColormap([LIGHT, BLUE])


def classes(parts, names=None):
    """Show the share of every class as bars, side by side for several parts.

    Parameters
    ----------
    parts : sequence of int, or dict of str to sequence of int
        Class of each row; a dict has one entry a part ("train": …).
    names : dict of int to str, optional
        What the classes are called, `LABELS` for instance.

    Returns
    -------
    matplotlib.figure.Figure
    """
    import numpy as np

    parts = {name: np.asarray(values) for name, values in (parts if isinstance(parts, dict) else {"": parts}).items()}
    kinds = sorted(set(np.concatenate(list(parts.values())).tolist()))
    shares = {part: [float((values == kind).mean()) for kind in kinds] for part, values in parts.items()}
    labels = [str((names or {}).get(kind, kind)) for kind in kinds]
    alt = "Shares: " + "; ".join(
        (f"{part}: " if part else "") + ", ".join(f"{label} {share:.1%}" for label, share in zip(labels, values))
        for part, values in shares.items()
    )
    figure, ax = _figure(2.8, alt)
    width = 0.8 / len(parts)
    for n, (part, values) in enumerate(shares.items()):
        at = np.arange(len(kinds)) + (n - (len(parts) - 1) / 2) * width
        look = ({"color": BLUE}, {"color": ORANGE}, {"color": LIGHT, "hatch": "//", "edgecolor": DARK})[n % 3]
        bars = ax.bar(at, values, width * 0.92, label=part, **look)
        ax.bar_label(bars, [f"{v:.0%}" for v in values], padding=2, fontsize=9)
    ax.set_xticks(range(len(kinds)), labels)
    ax.set(ylabel="share of rows", ylim=(0, max(map(max, shares.values())) * 1.15))
    if len(parts) > 1:
        ax.legend(frameon=False)
    return figure


def similarity(matrix, names):
    """Show a matrix of cosine similarities with its numbers.

    Parameters
    ----------
    matrix : array-like of float, shape (n, n), each in -1..1
    names : sequence of str, shape (n,)

    Returns
    -------
    matplotlib.figure.Figure
    """
    import numpy as np

    values = np.asarray(matrix)
    pairs = [f"{names[i]} / {names[j]} {values[i, j]:.2f}" for i in range(len(names)) for j in range(i)]
    figure, ax = _figure(0.8 + 0.45 * len(names), "Cosine similarity: " + "; ".join(pairs))
    image = ax.imshow(values, cmap="Blues", vmin=values.min() - 0.05, vmax=1.2, aspect="auto")
    for i, j in np.ndindex(values.shape):
        ax.text(j, i, f"{values[i, j]:.2f}", ha="center", va="center", color=_ink(image, values[i, j]))
    ax.set_xticks(range(len(names)), names, rotation=20, ha="right")
    ax.set_yticks(range(len(names)), names)
    return figure


def _ink(image, value):
    """A colour that can be read on this value's cell."""
    return "white" if image.norm(value) > 0.6 else DARK


def order(orders, ylabel="row of the data set"):
    """Show in which order samplers hand out rows, one panel each.

    Parameters
    ----------
    orders : dict of str to sequence of int
        For every sampler the row numbers in the order they came.
    ylabel : str
        What the numbers are, if not row numbers.

    Returns
    -------
    matplotlib.figure.Figure
    """
    orders = {name: [int(i) for i in rows] for name, rows in orders.items()}
    alt = "Order of rows: " + "; ".join(
        f"{name} begins {', '.join(map(str, rows[:8]))}" for name, rows in orders.items()
    )
    figure, axes = _figure(2.7, alt, ncols=len(orders), sharey=True, squeeze=False)
    for ax, (name, rows) in zip(axes[0], orders.items()):
        ax.plot(rows, "o", ms=3, color=BLUE)
        ax.set(title=name, xlabel="when it came")
    axes[0][0].set_ylabel(ylabel)
    return figure


def curves(lines, xlabel, ylabel, points=None):
    """Show learning curves: the mean over seeds as a line, from the lowest to the highest seed as a band.

    Parameters
    ----------
    lines : dict of str to (x, y)
        For every curve its places, shape (x,), and its values, shape (seeds, x).
    xlabel, ylabel : str
    points : dict of str to sequence of (x, y), optional
        Single values, measured by the reader, under the names of the curves they belong to.

    Returns
    -------
    matplotlib.figure.Figure
    """
    import numpy as np

    lines = {name: (np.asarray(x), np.atleast_2d(y)) for name, (x, y) in lines.items()}
    alt = f"{ylabel} against {xlabel}: " + "; ".join(
        f"{name} from {y[:, 0].mean():.2f} at {x[0]:g} to {y[:, -1].mean():.2f} at {x[-1]:g}"
        + f" ({y[:, -1].min():.2f} to {y[:, -1].max():.2f} over {len(y)} seeds)" * (len(y) > 1)
        for name, (x, y) in lines.items()
    )
    if points:  # where, not how high: that differs between machines
        places = {name: sorted({x for x, _ in found}) for name, found in points.items()}
        alt += "; stars, measured here: "
        alt += ", ".join(f"{name} at {' and '.join(f'{x:g}' for x in xs)}" for name, xs in places.items())
    figure, ax = _figure(3.2, alt)
    styles = [(BLUE, "-", "o"), (ORANGE, "--", "s"), (GREEN, ":", "^"), (DARK, "-.", "D")]
    for n, (name, (x, y)) in enumerate(lines.items()):
        colour, dashes, sign = styles[n % len(styles)]
        ax.fill_between(x, y.min(0), y.max(0), color=colour, alpha=0.18, lw=0)
        ax.plot(x, y.mean(0), color=colour, ls=dashes, marker=sign, ms=4, lw=2, label=name)
        if points and name in points:
            ax.scatter(*zip(*points[name]), marker="*", s=110, color=colour, edgecolor=DARK, linewidth=0.6, zorder=3)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend(frameon=False)
    return figure


def confusion(matrix, names):
    """Show a confusion matrix: a row for each label, a column for each prediction.

    Parameters
    ----------
    matrix : array-like of int, shape (classes, classes)
    names : sequence of str, shape (classes,)

    Returns
    -------
    matplotlib.figure.Figure
    """
    import numpy as np

    counts = np.asarray(matrix)
    shares = counts / counts.sum(1, keepdims=True).clip(1)
    alt = "Confusion matrix: " + "; ".join(
        f"of {row.sum()} {name}, " + ", ".join(f"{n} called {other}" for n, other in zip(row, names) if n)
        for row, name in zip(counts, names, strict=True)
    )
    figure, ax = _figure(0.9 + 0.45 * len(names), alt)
    image = ax.imshow(shares, cmap="Blues", vmin=0, vmax=1.2, aspect="auto")
    for i, j in np.ndindex(counts.shape):
        ax.text(j, i, f"{counts[i, j]}", ha="center", va="center", color=_ink(image, shares[i, j]))
    ax.set_xticks(range(len(names)), names)
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel="prediction (darker: a larger share of its row)", ylabel="label")
    return figure


def shares(lists):
    """Show which process gets which rows, a line of boxes for each process; rows that come more than once stand out.

    Parameters
    ----------
    lists : dict of str to sequence of int
        For every process its row numbers, in order.

    Returns
    -------
    matplotlib.figure.Figure
    """
    lists = {name: [int(row) for row in rows] for name, rows in lists.items()}
    seen = [row for rows in lists.values() for row in rows]
    repeated = sorted({row for row in seen if seen.count(row) > 1})
    alt = "Rows: " + "; ".join(f"{name} has {', '.join(map(str, rows)) or 'none'}" for name, rows in lists.items())
    alt += f"; more than once: {', '.join(map(str, repeated)) or 'none'}"
    figure, ax = _figure(0.5 + 0.45 * len(lists), alt)
    for line, rows in enumerate(lists.values()):
        for place, row in enumerate(rows):
            fill, ink = (ORANGE, DARK) if row in repeated else (BLUE, "white")
            ax.barh(line, 0.92, left=place, height=0.8, color=fill, hatch="//" * (row in repeated), edgecolor="white")
            ax.text(place + 0.46, line, row, ha="center", va="center", color=ink)
    ax.set_yticks(range(len(lists)), lists)
    ax.set(xticks=[], xlim=(0, max(8, *map(len, lists.values()))))
    ax.spines[["bottom", "left"]].set_visible(False)
    ax.invert_yaxis()
    return figure
