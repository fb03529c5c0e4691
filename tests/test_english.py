"""Plain English in messages, pages, docs and docstrings."""

import ast
import re
from pathlib import Path

import pytest

import evenflow

SRC = Path(evenflow.__file__).parent
ROOT = Path(__file__).resolve().parents[1]

# phrase -> the glossary's words for it; a space stands for any white space
PHRASES = {
    r"(?<!there )\b(?:is|are|was|were|be) (?-i:none)\b(?! of| else| and|\s*-?[%)}])": (
        "is invalid"
    ),
    r"(?<!there )\b(?:is|are|was|were|be) no (?!longer|other|more|less|fewer)[\w-]+": (
        "is not a ..."
    ),
    r"\bno more(?: often)?(?=[.,;?!]|$)": "no longer, not again",
    r"\bnot this way\b": "method not allowed",
    r"\bmend(?:s|ed|ing)?\b": "fix, correct",
    r"\bin a hurry\b": "fast path",
    r"\bstrangers?\b": "untrusted",
    r"\btold apart\b": "distinguished, classified",
    r"\bfaults? of ours\b|\ba fault ended\b": "something went wrong, internal error",
    r"\bsees? to (?!it)|\bseen to\b": "make sure, handle",
    r"\bin a moment\b": "temporarily unavailable",
    r"\bflatter(?:s|ed|ing)?\b": "optimistic",
    r"\bhears? (?:of|about)\b": "notices, receives",
    r"\bkept? back\b": "held out",
    r"\bset(?:s|ting)? (?:[a-z]+ )?aside\b(?! %)": "rejected",
    r"\bgo(?:es)? on with\b": "continue with",
    r"\bby heart\b": "memorised",
    r"\bcalm\b": "benign",
    r"(?<!`)\bharmless\b": "benign",
    r"\bpush(?:es|ed)? (?:towards|most|less|the log odds|on the)\b|\ball pushes\b": (
        "contributes, contribution"
    ),
    r"\bturn(?:s|ed)? the verdict\b|\bturning columns?\b": "changes, counterfactual",
    r"\bworth nothing\b": "revoked, expired",
    r"\bor (?:is )?over\b(?=[.,;])": "expired",
    r"\b(?:is|are) (?:all )?gone\b": "deleted",
    r"\bis taken by\b": "in use by",
    r"\b(?:is|are) taken(?=[.,;:])|\bnot taken\b": "accepted",
    r"\btaken away\b": "removed, revoked",
    r"\blets? (?:a person|\S+@\S+|one|them|it|him|her) in\b": "enable, allow",
    r"\bhow far it is\b": "shows its progress",
    r"\blast here\b": "last seen",
    r"\bparted by\b": "separated by",
    r"\bnot met\b|\bmet (?:t?here)\b": "not found, not in training",
    r"\bfor want of\b": "because there is not enough",
    r"\bjudged (?:on|by|rows?)\b|\brows judged\b": "evaluated on, test rows",
    r"\bas (?:they|it) (?:is|are) as seen\b": "unchanged since the page was loaded",
    r"\bnext that\b": "next open ...",
    r"\bnobody is blamed\b": "grace period",
    r"\b(?:come|came) to answer\b": "became ready",
    r"\bwrote? anew\b|\banew\b": "again",
    r"\bat hand\b": "available",
    r"^(?:Most|Fewest) (?!of|likely|common)\w+": "Maximum, minimum number of",
    r"\w\(e?s\)(?![\w(.])": "the plural in a branch of its own",
    r"\bjudges? the line\b|\bscores? the line\b": "check this line",
    r"\bempty the form\b|\bclear the form\b": "clear",
    r"\bwhat people said\b": "analyst feedback",
    r"\bwaits? for somebody\b|\bneeds? attention\b": "to review",
    r"\bnobody has looked\b": "not explored yet, new",
    r"\bputs? to use\b": "use this model, activate",
    r"\bkeep that long\b": "save",
    r"\bwhat training had to say\b|\bnotes of the training\b": "training notes",
    r"\bat its word\b": "calibration, calibrated",
    r"\bwas taken for\b": "confusion matrix",
    r"\b(?:keep|kept|break)s? the contract\b": "valid, invalid",
    r"\bwhat it really is\b": "the true class",
    r"\bnever may\b|\bmay(?: do)? more than you\b": "never has more permissions",
    r"\byes, go on\b": "yes, continue",
    r"'Of what'": "object",
    r"\bcomes? before it\b(?! in)": "queued before it",
    r"\btrained nothing\b|\bkept aside\b": "held out",
    r"\blogged out in any case\b": "logged out after",
    r"\bexpected otherwise\b": "found X: what is wrong",
    r"\bwaits or runs\b": "queued or running",
    r"^(?:Say|Tell) (?:what|who|why|how|whether|more|nothing)\b": "Show, return, list",
}
NOUN_OR_VERB = "the noun (module, class) or the verb (function)"

# the one quotes what it refuses, the other tells of the past
PAST = ("CONTRIBUTING.md", "CHANGELOG.md")


def compiled(phrase):
    spaced = phrase.replace(r" ", r"\s+").replace(r"(?<!there\s+)", "(?<!there )")
    return re.compile(spaced, re.IGNORECASE)


RULES = {compiled(phrase): better for phrase, better in PHRASES.items()}


def refused(text, *, start=1):
    """Return (line, phrase, better words) of each refused phrase in a text."""
    return [
        (start + text.count("\n", 0, found.start()), " ".join(found[0].split()), better)
        for rule, better in RULES.items()
        for found in rule.finditer(text)
    ]


def literal(node):
    """Return the text of a string or f-string; what it formats is a digit."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(map(literal, node.values))
    return "0"


def strings(tree):
    """Yield (line, text) of each string of a module, docstrings among them."""
    inside = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
        if part is not node
        and isinstance(part, ast.Constant)
        and isinstance(part.value, str)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in inside:
            text = literal(node)
            if " " in text:
                yield node.lineno, text


def docstrings(tree):
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            continue
        if text := ast.get_docstring(node):
            yield getattr(node, "lineno", 1), text


def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


MODULES = sorted(SRC.rglob("*.py"))
TEXTS = sorted(
    [
        *SRC.rglob("*.html"),
        *(SRC / "web").rglob("*.js"),
        *SRC.rglob("*.toml"),
        *ROOT.glob("docs/**/*.md"),
        *(page for page in ROOT.glob("*.md") if page.name not in PAST),
    ]
)


def where(path):
    return path.relative_to(SRC if SRC in path.parents else ROOT).as_posix()


def findings(path):
    """Return a line for each refused phrase of a file."""
    if path.suffix == ".py":
        found = [
            hit for at, text in strings(parsed(path)) for hit in refused(text, start=at)
        ]
    else:
        found = refused(path.read_text(encoding="utf-8"))
    return [
        f"{where(path)}:{n}: {words!r}; say: {better}" for n, words, better in found
    ]


def summaries(path):
    """Return a line for each docstring of a module that begins with "What"."""
    if "What " not in path.read_text(encoding="utf-8"):
        return []
    return [
        f"{where(path)}:{line}: {text.splitlines()[0]!r}; begin with {NOUN_OR_VERB}"
        for line, text in docstrings(parsed(path))
        if text.startswith("What ")
    ]


def test_no_message_page_or_docstring_holds_a_refused_phrase():
    found = [line for path in [*MODULES, *TEXTS] for line in findings(path)]
    assert not found, "\n" + "\n".join(found)


def test_no_docstring_begins_with_what():
    found = [line for path in MODULES for line in summaries(path)]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize(
    "text",
    [
        "Too many keys that are none came from this address.",
        "The key is none, or it is revoked or over.",
        "This is none of your business, the file is no TOML",
        "Let x@y.org in no more?",
        "Not this way",
        "A fault of ours. It has been written to the log.",
        "Back in a moment. The database does not answer.",
        "What is told apart",
        "What harmless looks like this:",
        "the test rows are the same, which\n    flatters",
        "Zip files are not taken.",
        "The training and its checkpoint are gone.",
        "Most questions from root to leaf",
        "web did not come to answer",
        "Mend that line",
        "See to a first detector",
        "A log hears of one step no more often.",
        "for one record in a hurry",
        "a column of a stranger's record",
        "pushes towards attack",
        "The link is worth nothing any more",
        "as far as they are as seen",
        "Seconds of waiting that nobody is blamed for.",
        "Say what a detector reads.",
        "3 column(s) are missing",
        "Judge the line",
        "Empty the form",
        "Next that waits",
        "What people said of the verdicts",
        "17 alerts wait for somebody",
        "Nobody has looked at it yet",
        "Put to use",
        "Keep that long",
        "What training had to say",
        "Can the probability be taken at its word?",
        "What each class was taken for",
        "every row kept the contract",
        "Found nothing, expected what it really is",
        "It never may more than you may",
        "This is no e-mail address",
        "Yes, go on",
        "['Who', 'Of what']",
        "1 job of this lane comes before it",
        "rows that trained nothing",
        "Logged out in any case",
    ],
)
def test_the_phrases_of_the_house_dialect_are_refused(text):
    assert refused(text)


@pytest.mark.parametrize(
    "text",
    [
        "There is no account yet.",
        "None of the files was found; none is needed.",
        "No more than 3 columns were found.",
        "The job is no longer running.",
        "The most frequent value",
        "Address already in use",
        "balance = none",
    ],
)
def test_plain_sentences_are_accepted(text):
    assert not refused(text)


@pytest.mark.parametrize(
    ("name", "text", "finding"),
    [
        ("page.md", "First line\nThe key is revoked\nor over.\n",
         "3: 'or over'; say: expired"),
        ("module.py", 'x = 1\nraise E(f"{x} is "\n  f"no number {x}")\n',
         "2: 'is no number'; say: is not a ..."),
    ],
)  # fmt: skip
def test_a_finding_names_file_line_phrase_and_better_words(
    write, tmp_path, monkeypatch, name, text, finding
):
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    assert findings(write(name, text)) == [f"{name}:{finding}"]
