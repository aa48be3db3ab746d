"""The course's plots and pages.

Each function returns a matplotlib `Figure`, or `tokens` and `columns` a `Page` of HTML, for a notebook to display; its
`alt` says in words what it shows. Figures are white in a dark theme too. In a page, whatever sets a text colour also
sets the background behind it; all other text has the theme's colours.
"""

import html
import io
import statistics
import textwrap

# Colour-blind readers can tell these apart, by lightness too. Source: Okabe and Ito, Color Universal Design, 2008
DARK, BLUE, ORANGE, GREEN, LIGHT, PURPLE = "#1b1b1b", "#0072B2", "#E69F00", "#009E73", "#dfe7ee", "#CC79A7"
WIDTH = 7.5  # of a figure, in inches


class Page:
    """HTML with a text alternative, `alt`."""

    def __init__(self, page, alt):
        self.page, self.alt = page, alt

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {"text/html": self.page, "text/plain": self.alt}

    def __repr__(self):
        return self.alt


def _figure(height, alt, **options):
    """Return a figure `height` inches high, with its text alternative, and its axes."""
    from matplotlib.figure import Figure  # here, because matplotlib takes longer to import than the whole course

    class Picture(Figure):  # not made by pyplot, which would keep it in memory and display it a second time
        def _repr_mimebundle_(self, include=None, exclude=None):
            file = io.BytesIO()
            self.savefig(file, format="png", dpi=110)
            return {"image/png": file.getvalue(), "text/plain": self.alt}, {"image/png": {"alt": self.alt}}

    figure = Picture(figsize=(WIDTH, height), layout="constrained")
    figure.alt = alt
    axes = figure.subplots(**options)
    for ax in figure.axes:
        ax.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _array(values):
    from numpy import asarray  # here for the same reason

    return asarray(values)


def tokens(input_ids, tokenizer, attention_mask=None, weights=None):
    """Show tokens as boxes with their ids: special tokens filled, masked-out ones white with a dashed outline.

    Parameters
    ----------
    input_ids : sequence of int, shape (length,)
    tokenizer : transformers.PreTrainedTokenizerBase
    attention_mask : sequence of {0, 1}, shape (length,), optional
    weights : sequence of float, shape (length,), each in 0..1, optional
        Such as attention. Each box then shows its weight, not its id: the larger the weight, the bluer the box.
    """
    ids = [int(i) for i in input_ids]
    mask = [1] * len(ids) if attention_mask is None else attention_mask
    names, special, boxes = tokenizer.convert_ids_to_tokens(ids), set(tokenizer.all_special_ids), ""
    numbers = ids if weights is None else [f"{float(weight):.2f}" for weight in weights]
    box = "display:inline-block;text-align:center;padding:2px 6px;margin:2px;border-radius:4px"
    for n, (name, number, attended) in enumerate(zip(names, numbers, mask, strict=True)):
        fill = f"background:{BLUE};color:#fff" if number in special else f"background:{LIGHT};color:{DARK}"
        fill = fill if attended else "background:#fff;color:#595959;outline:1px dashed #999"
        if weights is not None:
            blue = float(weights[n] / max(weights))  # from white to BLUE
            fill = f"background:rgb({255 - 255 * blue:.0f},{255 - 141 * blue:.0f},{255 - 77 * blue:.0f})"
            fill += ";color:#fff" if blue > 0.9 else f";color:{DARK}"
        boxes += f'<span style="{box};{fill}"><b>{html.escape(name)}</b><br><small>{number}</small></span>'
    alt = " ".join(f"{name}·{number}" for name, number in zip(names, numbers))
    return Page(f'<div style="line-height:1.3;max-width:60em">{boxes}</div>', alt)


def columns(lists, widths=None):
    """Show lists of texts side by side.

    Parameters
    ----------
    lists : dict of str to iterable of str, all of the same length
        The texts of each column, by its title.
    widths : sequence of int, one per column, optional
        In percent of the table's width. By default, all columns are equally wide.
    """
    lists = {title: [str(text) for text in texts] for title, texts in lists.items()}
    widths = widths or [100 // len(lists)] * len(lists)
    cell = "text-align:left;vertical-align:top;padding:.4em 1em .4em 0;white-space:normal"
    page = "".join(f'<th style="{cell};border-bottom:2px solid {BLUE}">{html.escape(title)}</th>' for title in lists)
    for row in zip(*lists.values(), strict=True):
        cells = (f'<td style="{cell};width:{w}%">{html.escape(t)}</td>' for t, w in zip(row, widths, strict=True))
        page += f"</tr><tr>{''.join(cells)}"
    alt = "\n".join(f"{title}:\n" + "\n".join(f"  {text}" for text in texts) for title, texts in lists.items())
    return Page(f'<table style="border-collapse:collapse;max-width:60em"><tr>{page}</tr></table>', alt)


def _bars(names, values, numbers, alt, runs=None, **axis):
    """Draw one horizontal bar per name, with its number written at its end; where `runs` has several, a dot for each."""
    figure, ax = _figure(0.5 + 0.32 * len(values), alt)
    ax.barh(range(len(values)), values, color=BLUE)
    for line, (number, found) in enumerate(zip(numbers, runs or [[value] for value in values])):
        ax.annotate(number, (max(found), line), xytext=(6, 0), textcoords="offset points", va="center")
        if len(found) > 1:
            ax.plot(found, [line] * len(found), "o", ms=5, color=ORANGE, mec=DARK, mew=0.6)
    ax.set_yticks(range(len(values)), names)
    ax.margins(x=0.12)
    ax.set(**axis)
    ax.invert_yaxis()
    return figure


def guesses(words, probabilities, titles=None):
    """Show a model's guesses, for a [MASK] or for a class, as bars; several sets of guesses two side by side.

    Parameters
    ----------
    words : sequence of str, shape (k,); with titles, shape (n, k)
    probabilities : sequence of float, each in 0..1, of the same shape
    titles : sequence of str, shape (n,), optional
        What each set is for.
    """
    if titles is not None:
        return _panels(words, [[float(p) for p in row] for row in probabilities], titles)
    values = [float(p) for p in probabilities]
    numbers = [f"{value:.0%}" for value in values]
    alt = "Guesses: " + ", ".join(f"{word} {number}" for word, number in zip(words, numbers, strict=True))
    return _bars(words, values, numbers, alt, xlim=(0, 1), xlabel="probability")


def _panels(words, values, titles):
    """Draw one panel of bars per title, two in a line."""
    texts = [[f"{value:.0%}" for value in row] for row in values]
    parts = [", ".join(f"{word} {text}" for word, text in zip(*pair)) for pair in zip(words, texts, strict=True)]
    alt = "Guesses: " + "; ".join(f"{title}: {part}" for title, part in zip(titles, parts, strict=True))
    lines = (len(titles) + 1) // 2
    figure, axes = _figure(lines * (0.6 + 0.26 * len(words[0])), alt, nrows=lines, ncols=2, squeeze=False, sharex=True)
    for ax, title, names, row, text in zip(axes.flat, titles, words, values, texts):
        ax.bar_label(ax.barh(range(len(row)), row, color=BLUE), text, padding=3)
        ax.set_yticks(range(len(row)), names)
        ax.set(title=title, xlim=(0, 1))
        ax.invert_yaxis()
    for ax in axes.flat[max(0, len(titles) - 2) : len(titles)]:  # the lowest of each column
        ax.set_xlabel("probability")
        ax.tick_params(labelbottom=True)
    for ax in axes.flat[len(titles) :]:
        ax.set_visible(False)
    return figure


def bars(values, unit):
    """Show amounts as bars. Where an amount was measured several times, the bar is the median, and each dot a measurement.

    Parameters
    ----------
    values : dict of str to float or sequence of float
    unit : str
        What the amounts are measured in, such as "s" or "MB".
    """
    runs = [_array(value).astype(float).ravel().tolist() for value in values.values()]
    middle = [statistics.median(found) for found in runs]
    whole = all(value.is_integer() for found in [*runs, middle] for value in found)  # such as rows
    numbers, least, most = (
        [f"{value:.{2 if value < 10 and not whole else 0}f}" for value in column]
        for column in (middle, map(min, runs), map(max, runs))
    )
    alt = "; ".join(
        f"{name}: {number} {unit}" + f" ({low} to {high} {unit})" * (len(found) > 1)
        for name, number, low, high, found in zip(values, numbers, least, most, runs)
    )
    return _bars(list(values), middle, numbers, alt, runs, xlabel=unit)


def lengths(lengths, max_len=None):
    """Show a histogram of sequence lengths, and how many sequences are longer than MAX_LEN.

    Parameters
    ----------
    lengths : sequence of int, shape (n,), in tokens
    max_len : int, optional, in tokens
    """
    values = sorted(int(length) for length in lengths)
    low, high, median = values[0], values[-1], statistics.median(values)
    alt = f"Lengths of {len(values)} sequences: {low} to {high} tokens, median {median:.0f}"
    figure, ax = _figure(2.6, alt)
    ax.hist(values, bins=[n - 0.5 for n in range(low, high + 2)], color=BLUE)
    if max_len is not None:
        figure.alt += f"; {sum(n > max_len for n in values)} are longer than MAX_LEN = {max_len}"
        ax.axvline(max_len + 0.5, color=ORANGE, lw=3)
        ax.annotate(f"MAX_LEN = {max_len} ", (max_len, ax.get_ylim()[1]), ha="right", va="top")
    ax.set(xlabel="tokens", ylabel="sequences")
    return figure


def mask(attention_mask, rows=12):
    """Show the first rows of an attention mask: real tokens dark, padding light.

    Parameters
    ----------
    attention_mask : array-like of {0, 1}, shape (n, length)
    rows : int
        How many rows to draw.
    """
    from matplotlib.colors import ListedColormap

    matrix = _array(attention_mask)[:rows]
    alt = f"Attention mask, {matrix.shape[0]} rows of {matrix.shape[1]} positions; ones a row: "
    figure, ax = _figure(0.9 + 0.17 * len(matrix), alt + ", ".join(map(str, matrix.sum(1))))
    ax.pcolormesh(matrix, cmap=ListedColormap([LIGHT, BLUE]), vmin=0, vmax=1, edgecolors="white", linewidth=0.5)
    ax.set_yticks([n + 0.5 for n in range(len(matrix))], range(len(matrix)))
    ax.set(xlabel="position (dark: a real token, light: padding)", ylabel="row")
    ax.invert_yaxis()
    return figure


def classes(parts, names=None):
    """Show the percentage of rows in each class as bars, side by side for several parts of the data.

    Parameters
    ----------
    parts : sequence of int, or dict of str to sequence of int
        The class of each row. A dict has one entry per part, such as "train".
    names : dict of int to str, optional
        The name of each class, such as `LABELS`.
    """
    parts = {
        name: _array(kinds).tolist() for name, kinds in (parts if isinstance(parts, dict) else {"": parts}).items()
    }
    kinds = sorted(set().union(*parts.values()))
    labels = [str((names or {}).get(kind, kind)) for kind in kinds]
    shares = {name: [rows.count(kind) / len(rows) for kind in kinds] for name, rows in parts.items()}
    alt = "; ".join(
        f"{name}: " * bool(name) + ", ".join(f"{label} {share:.1%}" for label, share in zip(labels, values))
        for name, values in shares.items()
    )
    figure, ax = _figure(2.8, f"Shares: {alt}")
    looks = [{"color": BLUE}, {"color": ORANGE}, {"color": LIGHT, "hatch": "//", "edgecolor": DARK}]
    width = 0.8 / len(parts)
    for n, (name, values) in enumerate(shares.items()):
        places = [k + (n - (len(parts) - 1) / 2) * width for k in range(len(kinds))]
        drawn = ax.bar(places, values, width * 0.92, label=name, **looks[n % 3])
        ax.bar_label(drawn, [f"{value:.0%}" for value in values], padding=2, fontsize=9)
    ax.set_xticks(range(len(kinds)), labels)
    ax.set(ylabel="share of rows", ymargin=0.15)
    if len(parts) > 1:
        ax.legend(frameon=False)
    return figure


def _grid(values, texts, names, alt, lowest):
    """Draw a square matrix as cells, the darker the higher the value, with a text in each; return figure and axes."""
    figure, ax = _figure(0.9 + 0.45 * len(names), alt)
    image = ax.imshow(values, cmap="Blues", vmin=lowest, vmax=1.2, aspect="auto")
    for i, row in enumerate(texts):
        for j, text in enumerate(row):
            ax.text(j, i, text, ha="center", va="center", color="white" if image.norm(values[i, j]) > 0.7 else DARK)
    ax.set(xticks=range(len(names)), yticks=range(len(names)), xticklabels=names, yticklabels=names)
    return figure, ax


def similarity(matrix, names):
    """Show a matrix of cosine similarities.

    Parameters
    ----------
    matrix : array-like of float, shape (n, n), each in -1..1
    names : sequence of str, shape (n,)
    """
    values = _array(matrix)
    texts = [[f"{round(float(value), 2) + 0:.2f}" for value in row] for row in values]
    alt = "; ".join(f"{names[i]} / {names[j]} {texts[i][j]}" for i in range(len(names)) for j in range(i))
    figure, ax = _grid(values, texts, names, f"Cosine similarity: {alt}", values.min() - 0.05)
    if max(map(len, names)) > 20 and len(names) < 6:  # sentences
        ax.set_xticks(range(len(names)), [textwrap.fill(name, 68 // len(names)) for name in names])
        ax.set_yticks(range(len(names)), [textwrap.fill(name, 20) for name in names])
    else:
        ax.set_xticks(range(len(names)), names, rotation=20, ha="right")
    return figure


def confusion(matrix, names):
    """Show a confusion matrix: one row per label, one column per prediction.

    Parameters
    ----------
    matrix : array-like of int, shape (classes, classes)
    names : sequence of str, shape (classes,)
    """
    counts = _array(matrix)
    alt = "; ".join(
        f"of {row.sum()} {name}, " + ", ".join(f"{n} called {other}" for n, other in zip(row, names) if n)
        for row, name in zip(counts, names, strict=True)
    )
    shares = counts / counts.sum(1, keepdims=True).clip(1)
    figure, ax = _grid(shares, counts, names, f"Confusion matrix: {alt}", 0)
    ax.set(xlabel="prediction (darker: a larger share of its row)", ylabel="label")
    return figure


def order(orders, ylabel="row of the data set"):
    """Show the order in which samplers yield rows, one panel per sampler.

    Parameters
    ----------
    orders : dict of str to sequence of int
        The row numbers of each sampler, in the order they came.
    ylabel : str
        What the numbers are, if not row numbers.
    """
    orders = {name: [int(i) for i in rows] for name, rows in orders.items()}
    alt = "; ".join(f"{name} begins {', '.join(map(str, rows[:8]))}" for name, rows in orders.items())
    figure, axes = _figure(2.7, f"Order of rows: {alt}", ncols=len(orders), sharey=True, squeeze=False)
    for ax, (name, rows) in zip(axes[0], orders.items()):
        ax.plot(rows, "o", ms=3, color=BLUE)
        ax.set(title=name, xlabel="when it came")
    axes[0][0].set_ylabel(ylabel)
    return figure


def curves(lines, xlabel, ylabel, points=None):
    """Show learning curves: a line for the mean over runs, and a band from the lowest to the highest run.

    Parameters
    ----------
    lines : dict of str to (x, y)
        Positions x, shape (n,), and values y, shape (runs, n), of each curve. The positions of all curves may be the
        same names, such as "200" and "all"; they are then equally far apart.
    xlabel, ylabel : str
    points : dict of str to sequence of (x, y), optional
        Values the reader has measured, drawn as stars in the colour of the curve with the same name.
    """
    lines = {name: (_array(x), _array(y).reshape(-1, len(x))) for name, (x, y) in lines.items()}
    numbers = all(x.dtype.kind in "iuf" for x, _ in lines.values())
    say = "{:g}".format if numbers else str
    alt = f"{ylabel} against {xlabel}: " + "; ".join(
        f"{name} from {y[:, 0].mean():.2f} at {say(x[0])} to {y[:, -1].mean():.2f} at {say(x[-1])}"
        + f" ({y[:, -1].min():.2f} to {y[:, -1].max():.2f} over {len(y)} runs)" * (len(y) > 1)
        for name, (x, y) in lines.items()
    )
    if points:  # the text says where they are, but not how high: that differs between machines
        places = {name: " and ".join(map(say, sorted({x for x, _ in at}))) for name, at in points.items()}
        alt += "; stars, measured here: " + ", ".join(f"{name} at {place}" for name, place in places.items())
    figure, ax = _figure(3.2, alt)
    styles = [(BLUE, "-", "o"), (ORANGE, "--", "s"), (GREEN, ":", "^"), (DARK, "-.", "D"), (PURPLE, (0, (6, 1)), "v")]
    for n, (name, (x, y)) in enumerate(lines.items()):
        colour, dashes, marker = styles[n % len(styles)]
        ax.fill_between(x, y.min(0), y.max(0), color=colour, alpha=0.18, lw=0)
        ax.plot(x, y.mean(0), color=colour, ls=dashes, marker=marker, ms=4, lw=2, label=name)
        if points and name in points:
            ax.scatter(*zip(*points[name]), marker="*", s=110, color=colour, edgecolor=DARK, linewidth=0.6, zorder=3)
    if numbers and all((x == x.round()).all() for x, _ in lines.values()):
        ax.xaxis.get_major_locator().set_params(integer=True)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend(frameon=False)
    return figure


def spread(panels, xlabels):
    """Show how values vary over repeats, such as seeds: a dot per repeat, and a line at the mean of each strip.

    Parameters
    ----------
    panels : sequence of dict of str to sequence of float
        One dict per panel, with the values of each strip by its name; all panels have the same names.
    xlabels : sequence of str, one per panel
        What the values are.
    """
    names = list(panels[0])
    panels = [{name: _array(strips[name]).astype(float) for name in names} for strips in panels]
    alt = "; ".join(
        f"{label}: " + ", ".join(f"{k} {v.mean():.3g} ({v.min():.3g} to {v.max():.3g})" for k, v in strips.items())
        for label, strips in zip(xlabels, panels, strict=True)
    )
    height = 0.9 + 0.4 * len(names)
    figure, axes = _figure(height, f"Mean and range: {alt}", ncols=len(panels), sharey=True, squeeze=False)
    for ax, strips, label in zip(axes[0], panels, xlabels):
        for line, values in enumerate(strips.values()):
            heights = [line + (n * 0.618 % 1 - 0.5) * 0.5 for n in range(len(values))]  # so that equal dots do not hide
            ax.plot(values, heights, "o", ms=4 if len(values) > 50 else 7, alpha=0.45, mew=0, color=BLUE)
            ax.plot([values.mean()] * 2, [line - 0.35, line + 0.35], color=ORANGE, lw=3)
        ax.set_yticks(range(len(names)), names)
        ax.set_xlabel(label)
    axes[0][0].invert_yaxis()
    return figure


def differences(rows, xlabel):
    """Show paired differences: a dot per pair, and the mean with its 95% interval (Student's t), beside a line at 0.

    Parameters
    ----------
    rows : dict of str to sequence of float, each of at least two
        The differences of each comparison, one per pair.
    xlabel : str
        What differs.
    """
    from scipy.stats import t

    rows = {name: _array(values).astype(float) for name, values in rows.items()}
    half = [t.ppf(0.975, len(v) - 1) * v.std(ddof=1) / len(v) ** 0.5 for v in rows.values()]
    texts = [f"{round(v.mean(), 2) + 0:+.2f} ± {h:.2f}" for v, h in zip(rows.values(), half)]
    alt = "; ".join(f"{name} {text}" for name, text in zip(rows, texts))
    figure, ax = _figure(0.8 + 0.36 * len(rows), f"{xlabel}, mean and 95% interval: {alt}")
    for line, (values, h, text) in enumerate(zip(rows.values(), half, texts)):
        ax.plot(values, [line + 0.25] * len(values), "o", ms=5, alpha=0.4, mew=0, color=BLUE)
        ax.errorbar(values.mean(), line, xerr=h, fmt="D", ms=6, lw=3, color=ORANGE, mec=DARK)
        ax.text(1.02, line, text, va="center", transform=ax.get_yaxis_transform())
    ax.axvline(0, color=DARK, lw=1)
    ax.set_yticks(range(len(rows)), rows)
    ax.set(xlabel=xlabel, ylim=(len(rows) - 0.4, -0.6))
    return figure


def shares(lists):
    """Show which rows each process gets, one line of boxes per process; repeated rows are orange and hatched.

    Parameters
    ----------
    lists : dict of str to sequence of int
        The row numbers of each process, in order.
    """
    lists = {name: [int(row) for row in rows] for name, rows in lists.items()}
    seen = [row for rows in lists.values() for row in rows]
    repeated = sorted({row for row in seen if seen.count(row) > 1})
    alt = "; ".join(f"{name} has {', '.join(map(str, rows)) or 'none'}" for name, rows in lists.items())
    alt = f"Rows: {alt}; more than once: {', '.join(map(str, repeated)) or 'none'}"
    figure, ax = _figure(0.5 + 0.45 * len(lists), alt)
    for line, rows in enumerate(lists.values()):
        for place, row in enumerate(rows):
            fill, ink, hatch = (ORANGE, DARK, "//") if row in repeated else (BLUE, "white", "")
            box = ax.barh(line, 0.92, left=place, color=fill, hatch=hatch, edgecolor="white")
            ax.bar_label(box, [row], label_type="center", color=ink)
    ax.set_yticks(range(len(lists)), lists)
    ax.set(xticks=[], xlim=(0, max(8, *map(len, lists.values()))))
    ax.spines[["bottom", "left"]].set_visible(False)
    ax.invert_yaxis()
    return figure
