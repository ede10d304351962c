"""The media types that words such as `pdf` and `spreadsheets` stand for."""

from __future__ import annotations

from smartypants import media_types as m

_SHEETS = (m.XLSX, m.CSV, m.TSV)
_WORDS: dict[tuple[str, ...], tuple[str, ...]] = {
    ("pdf",): (m.PDF,),
    ("docx", "doc", "word", "word document", "word file"): (m.DOCX,),
    ("pptx", "ppt", "powerpoint", "slides", "slide deck", "presentation"): (m.PPTX,),
    ("xlsx", "xls", "excel", "excel file"): (m.XLSX,),
    ("spreadsheet",): _SHEETS,
    ("csv", "csv file"): (m.CSV,),
    ("tsv",): (m.TSV,),
    ("html", "web page", "webpage"): (m.HTML,),
    ("markdown", "md"): (m.MARKDOWN,),
    ("text", "txt", "text file"): (m.TEXT,),
    ("json",): (m.JSON, m.JSON_LINES),
    ("email", "e-mail", "mail", "eml"): (m.EMAIL,),
    ("epub", "ebook", "e-book"): (m.EPUB,),
}
_TYPES = {word: types for words, types in _WORDS.items() for word in words}
_KNOWN = frozenset(m.EXTENSIONS.values())


def media_types(word: str) -> tuple[str, ...]:
    """The media types meant by a word, its plural, or a media type itself; none if unknown."""
    plain = word.strip().lower().lstrip(".")
    if plain in _KNOWN:
        return (plain,)
    for name in (plain, plain.removesuffix("s"), f"{plain}s"):
        if name in _TYPES:
            return _TYPES[name]
    return ()
