"""Writes the PDF, Office, EPUB and e-mail files of `examples/handbook/`.

    python examples/build_handbook.py [FOLDER]

What the files say stands below, in a little Markdown: `#` and `##` headings, `-` lists, `|` tables
and paragraphs, with empty lines between them. The same contents give the same bytes: times are
fixed, and archives are stored, since compressed bytes depend on the zlib at hand. The other files
of the handbook are texts, edited by hand.
"""

from __future__ import annotations

import io
import re
import sys
import textwrap
import zipfile
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from email.message import EmailMessage
from html import escape
from pathlib import Path
from typing import NamedTuple

import openpyxl
import pptx
from openpyxl.styles import Font
from pptx.util import Cm

WRITTEN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
AUTHOR = "Larkspur Instruments"

# --- contents ------------------------------------------------------------------------------

MANUAL = """
# Petrel 500 user manual

This manual belongs to the weather buoy Petrel 500 with serial numbers from P5-1600 upwards. Read
it before you open the crate. Document number LM-500-09, March 2026.

## What is in the crate

The crate holds the buoy, the mast with its wind sensor, a magnet on a red lanyard, the hatch key,
and a bag with spare seals. The hull is 0.9 metres wide and the buoy weighs 78 kilograms without its
mooring. Two people and a sling are needed to lift it.

## Switching on

Hold the magnet against the red dot on the mast foot for five seconds. The lamp blinks green while
the buoy looks for satellites, and shines green when it has sent its first report. The first report
takes up to eight minutes under a free sky.

Hold the magnet there for fifteen seconds to put the buoy into transport mode. In transport mode it
sends nothing and uses almost no power.

## The lamp

- Green and steady: everything works.
- Green and blinking: the position is not known yet.
- Amber and blinking: the memory card is missing or full.
- Red and blinking twice: water has been found in the hull. Do not deploy the buoy.

## Operating conditions

The buoy works at air temperatures from -25 to 45 degrees Celsius. It survives waves up to 18 metres
and currents up to 3.5 knots. It is not made for fresh water that freezes to the ground.

## Mounting the mast

Push the mast onto its foot until it clicks, and turn the collar to the right until the two white
lines meet. Tighten the four mast bolts to 14 newton metres. Point the arrow on the wind sensor to
the white line on the hull; otherwise every wind direction is wrong by the same angle.

## Opening the hatch

Dry the hatch before you open it. Loosen the six hatch bolts crosswise with the hatch key. When you
close the hatch, put a new seal in, grease it thinly with silicone, and tighten the bolts to 9
newton metres.

## Maintenance

Clean the solar panels with fresh water and a soft brush every six months. Replace the desiccant
bag every twelve months, or when its window has turned pink. Coat the hull below the waterline with
the paint Hullguard 3 every second spring.

## Error codes

The buoy sends an error code with its report when something is wrong.

- E04: the humidity inside the hull is above 70 percent. Replace the desiccant and the seal.
- E11: the wind sensor does not answer. Check the plug at the mast foot for salt.
- E19: the charging current is too low. Clean the panels and look for a broken cable.
- E27: the compass disagrees with the satellite course. Calibrate it away from steel.

## Disposal

The lithium batteries must not go into household waste. Send the buoy back to us, and we recycle it
without charge. Remove the memory card first if its data are yours alone.
"""

FIELD_GUIDE = """
# Field guide for deployments

This guide is for everybody who goes to sea for Larkspur Instruments. The skipper has the last word
on board, in every case.

## Go or no go

No buoy is deployed at a wind of more than 18 knots or at waves of more than 1.5 metres. The
decision is made at 6:00 on the day, with the forecast of the national service and the newest report
of the nearest buoy. If the trip is called off, the crew is paid for the day all the same.

## The crew

A deployment needs a crew of three besides the skipper: a leader, a winch hand and a recorder. At
least one of them holds a first aid certificate that is younger than two years. Nobody works on deck
alone or without a life jacket.

## Before leaving port

- Switch the buoy on and wait for three reports to arrive at the office.
- Photograph the serial number, the seals and the shackles.
- Tell the coast guard the position and the time, with the form NAV-3.
- Leave a plan of the trip with the reception, with the hour at which you are overdue.

## Lowering the buoy

Come to the position from downwind, at less than two knots. The buoy goes in first, then the line,
and the anchor last. Keep your feet clear of the line: it runs out at up to four metres a second.
The recorder writes down the position at the moment when the anchor is let go.

## Recovering a buoy

Call the acoustic release from a distance of 100 metres, never from directly above. The float comes
up within five minutes in water of 200 metres. Catch the pick-up loop with the long hook and lift
the buoy with the sling, not by its mast.

## Animals

Keep a distance of 100 metres from seals that rest on rocks, and stop the engine when basking sharks
come near. Birds that nest on a buoy are left alone until 31 July, even if the buoy is silent.

## Radio

The working channel is channel 72. Report to the office every two hours. The word "anvil" on the
radio means that all work on deck stops at once.

## After the trip

Rinse everything with fresh water on the same day. The recorder enters the deployment in the
station list within 48 hours. Damaged shackles go into the blue box in the workshop, with a label.
"""

PARENTAL_LEAVE = """
# Parental leave

This policy applies to mothers, fathers and adoptive parents. The people team wrote it, and it is in
force since 1 June 2025.

## How much leave

The company adds to what the state pays, so that parents receive their full salary for 20 weeks of
leave. The weeks can be taken in up to three parts until the child is two years old.

## How to ask for it

- Tell your team lead and the people team at least ten weeks before the leave begins.
- Send a copy of the birth or adoption certificate within a month.
- Agree who takes over your work, four weeks before you go.

## Coming back

In the first eight weeks after the return you may work four days a week at full pay. A room for
nursing mothers is next to the library, and its key is at the reception.

## Overview

| Who | Weeks at full pay | Further weeks without pay |
| --- | --- | --- |
| Parent who gives birth | 20 | up to 30 |
| Other parent | 20 | up to 16 |
| Foster parent | 6 | up to 10 |
"""

PURCHASING = """
# Purchasing policy

The policy says who may buy what. It was approved by the founders on 9 April 2025.

## Approval limits

| Amount without tax | Who approves |
| --- | --- |
| up to €500 | every employee |
| up to €5,000 | the team lead |
| up to €25,000 | the department head |
| above €25,000 | both founders together |

Splitting an order in order to stay below a limit is treated as a breach of this policy.

## Offers

Three written offers are needed for every purchase above €10,000. One offer is enough if a part is
made by one supplier only; the reason is noted in the order.

## Suppliers

- New suppliers sign our code of conduct before the first order.
- Suppliers of parts that hold a buoy together are visited every three years.
- The list of suppliers is kept by Beatriz Fonseca.

## Paying

Invoices are paid 30 days after the goods have arrived. Prepayments above €2,000 need a bank
guarantee.
"""

WAVES = """
# Waves

A buoy does not see waves. It feels them: the wave sensor measures how fast the hull is lifted and
dropped, and the software adds up these movements to a height.

## Significant wave height

The significant wave height is the mean height of the highest third of the waves. The name comes
from sailors, whose estimates by eye agree with it well. Single waves can be twice as high.

## The wave of Inishfree

The highest wave that a Larkspur buoy ever measured was 17.2 metres. The buoy Petrel 112 recorded it
west of Inishfree on 28 January 2014, and survived with a bent mast. The mast hangs in the canteen.

## Swell and wind sea

Swell comes from storms that are far away. Its waves are long and regular, with periods above ten
seconds. A wind sea is made on the spot, and its waves are short and steep.
"""

PRESSURE = """
# Wind and pressure

## Why the wind sensor sits so low

Weather services quote the wind at a height of ten metres, but the mast of a buoy is only 2.6 metres
high. The software corrects the speed with a logarithmic profile, which adds about 15 percent over
open water.

## A falling barometer

When the pressure falls by more than six hectopascals in three hours, a gale is likely. The old
rule of the fishermen of Port Ellery says the same in other words: when the glass drops a finger
before breakfast, stay for lunch.

## Gusts

A gust is the highest mean over three seconds within a report. Its ratio to the mean wind tells how
rough the air is: values above 1.6 are a sign of showers.
"""

ORDER_THREAD = """
Dear Mr Keane,

thank you, that solves it. Please deliver to the north gate of the shipyard, and not to the office.
We confirm the new date of 14 April 2026.

Kind regards
Solveig Aas, Nordland Rescue

On 23 February 2026, Rory Keane wrote:
> Dear Ms Aas,
>
> the two buoys of order LK-20418 are delayed by nine days, because the titanium connectors arrived
> late. The carrier offers 14 April. As an apology we add two battery kits without charge.
>
> Rory Keane, workshop, Larkspur Instruments

On 20 February 2026, Solveig Aas wrote:
> Good morning,
>
> could you tell us whether order LK-20418 will arrive on 5 April as agreed? Our ship, the
> Skrova, leaves Bodø on 17 April and can't wait.
"""

SHUTDOWN = """
<html><body>
<p>Dear all,</p>
<p>the workshop and both offices are <b>closed from 24 December 2026 to 3 January 2027</b>. Four of
these days are taken from your holidays; the company gives you the rest.</p>
<h2>Please do before you leave</h2>
<ul>
<li>Switch off the kiln and the test tank by noon on 23 December.</li>
<li>Take home what is in the fridges.</li>
<li>Enter your hours until the last day, for the wages are paid on 21 December this time.</li>
</ul>
<h2>Who is there</h2>
<table>
<tr><th>Days</th><th>On call</th></tr>
<tr><td>24 to 28 December</td><td>Yusuf Demir</td></tr>
<tr><td>29 December to 3 January</td><td>Aiko Mori</td></tr>
</table>
<p>The winter party is on 11 December at 18:00 in the old lifeboat station.</p>
<p>Priya Raman</p>
</body></html>
"""


class Slide(NamedTuple):
    title: str
    points: tuple[str, ...] = ()
    table: tuple[tuple[str, ...], ...] = ()
    notes: str = ""


ONBOARDING = (
    Slide(
        "Welcome aboard",
        ("We build weather buoys.", "You are one of us from today.", "Ask everything, twice."),
        notes="Begin on time, and hand out the key fobs before the first slide.",
    ),
    Slide(
        "Your first day",
        (
            "At 9:00 you meet your guide, who stays with you for the first six weeks.",
            "At 11:00 the workshop shows you how a hull is closed.",
            "At 14:00 you set up your laptop with Wanjiru Kamau.",
        ),
        notes="People who start in Bergen do the workshop tour in their third week, by ship.",
    ),
    Slide(
        "Your first weeks",
        table=(
            ("Week", "What happens", "With whom"),
            ("1", "Safety course and survival training in the pool", "Harbour school"),
            ("2", "A day on the support line", "Naledi Botha"),
            ("4", "A trip on the workboat Guillemot", "Rory Keane"),
            ("6", "A talk about your first impressions", "Priya Raman"),
        ),
        notes="The survival training can be moved, but nobody goes to sea without it.",
    ),
    Slide(
        "Good to know",
        (
            "The all-hands meeting is on the last Thursday of the month at 15:30.",
            "New colleagues bring a cake within their first month. It is the only written law.",
        ),
    ),
)

PRICE_LIST: Mapping[str, Sequence[tuple[str | int, ...]]] = {
    "Buoys and sensors": (
        ("Article", "Description", "Price in euros", "Weeks"),
        ("P-300", "Petrel 300, coastal buoy with wind, pressure and temperature", 12400, 7),
        ("P-500", "Petrel 500, offshore buoy with waves and satellite link", 21900, 7),
        ("AN-7", "Anemometer, ultrasonic", 1850, 2),
        ("BR-2", "Barometer", 640, 2),
        ("SA-4", "Salinity probe with wiper", 3275, 5),
        ("BK-12", "Battery kit for Petrel 300 and Petrel 500", 980, 1),
        ("MO-60", "Mooring set for depths down to 60 metres", 4150, 3),
    ),
    "Service plans": (
        ("Plan", "What it includes", "Euros a year"),
        ("Harbour", "Data service, support on working days", 1200),
        ("Coast", "As Harbour, with support at night and one inspection a year", 2950),
        ("Ocean", "As Coast, with recovery of a buoy that has gone adrift", 5400),
        ("Discount", "Ten buoys and more receive 12 percent off every plan"),
    ),
}

# --- the little Markdown -------------------------------------------------------------------


class Block(NamedTuple):
    """`kind` is h1, h2, p, ul or table; `rows` are its lines, or a table's rows of cells."""

    kind: str
    rows: list[list[str]]

    @property
    def text(self) -> str:
        return self.rows[0][0]


def blocks(source: str) -> list[Block]:
    return [_block(paragraph) for paragraph in re.split(r"\n{2,}", source.strip())]


def _block(paragraph: str) -> Block:
    if paragraph.startswith("#"):
        hashes, title = paragraph.split(" ", 1)
        return Block(f"h{len(hashes)}", [[title]])
    if paragraph.startswith("- "):
        items = re.split(r"^- ", paragraph, flags=re.MULTILINE)[1:]
        return Block("ul", [[" ".join(item.split())] for item in items])
    if paragraph.startswith("|"):
        rows = [line.strip("| ").split(" | ") for line in paragraph.splitlines()]
        return Block("table", [rows[0], *rows[2:]])
    return Block("p", [[" ".join(paragraph.split())]])


# --- formats -------------------------------------------------------------------------------


def pdf(source: str) -> bytes:
    """A4 pages in Helvetica, without compression; no tables (ISO 32000-1, section 7.5)."""
    parts = blocks(source)
    pages = _pdf_pages(parts)
    numbers = [7 + 2 * index for index in range(len(pages))]
    kids = " ".join(f"{number - 1} 0 R" for number in numbers)
    font = "<< /Type /Font /Subtype /Type1 /BaseFont /{} /Encoding /WinAnsiEncoding >>"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R /Lang (en) >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        font.format("Helvetica"),
        font.format("Helvetica-Bold"),
        f"<< /Title ({_pdf_text(parts[0].text)}) /Author ({AUTHOR}) "
        f"/CreationDate (D:{WRITTEN:%Y%m%d%H%M%S}Z) >>",
    ]
    for number, page in zip(numbers, pages, strict=True):
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] "
            f"/Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> /Contents {number} 0 R >>"
        )
        objects.append(f"<< /Length {len(page.encode('cp1252'))} >>\nstream\n{page}\nendstream")
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode("cp1252")
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    tail = f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n"
    tail += f"<< /Size {size} /Root 1 0 R /Info 5 0 R >>\nstartxref\n{len(out)}\n%%EOF\n"
    return bytes(out) + tail.encode()


class Style(NamedTuple):
    font: str
    size: int
    width: int
    """Characters a line, for Helvetica's mean letter."""
    above: int
    """Points of free space before the block."""


PDF_STYLES = {
    "h1": Style("F2", 22, 34, 0),
    "h2": Style("F2", 15, 52, 16),
    "p": Style("F1", 11, 80, 7),
    "ul": Style("F1", 11, 78, 4),
    "table": Style("F1", 11, 80, 7),
}
TOP, BOTTOM, LEFT = 770, 72, 72


def _pdf_pages(parts: Sequence[Block]) -> list[str]:
    """The drawing commands of each page."""
    pages: list[list[str]] = [[]]
    y = TOP
    for part in parts:
        style = PDF_STYLES[part.kind]
        lines: list[str] = []
        for row in part.rows:
            text = "   ".join(row)
            bullet, indent = ("• ", "  ") if part.kind == "ul" else ("", "")
            lines += textwrap.wrap(
                text, style.width, initial_indent=bullet, subsequent_indent=indent
            )
        leading = round(style.size * 1.35)
        needed = 90 if part.kind == "h2" else leading * len(lines) if len(lines) < 4 else 0
        if y - style.above - max(needed, leading) < BOTTOM:
            pages.append([])
            y = TOP
        y -= style.above
        for line in lines:
            if y - leading < BOTTOM:
                pages.append([])
                y = TOP
            y -= leading
            pages[-1].append(
                f"BT /{style.font} {style.size} Tf {LEFT} {y} Td ({_pdf_text(line)}) Tj ET"
            )
    return ["\n".join(page) for page in pages]


def _pdf_text(text: str) -> str:
    """The text as a literal string (section 7.3.4.2)."""
    return re.sub(r"([\\()])", r"\\\1", text)


WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


def docx(source: str) -> bytes:
    """The smallest WordprocessingML package with heading styles, a bullet list and tables."""
    parts = blocks(source)
    word = "application/vnd.openxmlformats-officedocument.wordprocessingml"
    kinds = {
        "/word/document.xml": f"{word}.document.main+xml",
        "/word/styles.xml": f"{word}.styles+xml",
        "/word/numbering.xml": f"{word}.numbering+xml",
        "/docProps/core.xml": "application/vnd.openxmlformats-package.core-properties+xml",
    }
    overrides = "".join(
        f'<Override PartName="{path}" ContentType="{kind}"/>' for path, kind in kinds.items()
    )
    headings = "".join(
        f'<w:style w:type="paragraph" w:styleId="Heading{level}"><w:name w:val="heading {level}"/>'
        f'<w:pPr><w:keepNext/><w:spacing w:before="240" w:after="80"/>'
        f'<w:outlineLvl w:val="{level - 1}"/></w:pPr>'
        f'<w:rPr><w:b/><w:sz w:val="{size}"/></w:rPr></w:style>'
        for level, size in ((1, 40), (2, 28))
    )
    body = "".join(_docx_block(part) for part in parts)
    return archive(
        {
            "[Content_Types].xml": f'{XML}<Types xmlns="{PACKAGE}/content-types">'
            '<Default Extension="rels" '
            'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f"{overrides}</Types>",
            "_rels/.rels": _relationships(
                (f"{OFFICE}/officeDocument", "word/document.xml"),
                (f"{PACKAGE}/relationships/metadata/core-properties", "docProps/core.xml"),
            ),
            "docProps/core.xml": f'{XML}<cp:coreProperties xmlns:cp="{PACKAGE}/metadata/'
            'core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/">'
            f"<dc:title>{escape(parts[0].text)}</dc:title><dc:creator>{AUTHOR}</dc:creator>"
            "</cp:coreProperties>",
            "word/document.xml": f'{XML}<w:document xmlns:w="{WORD}"><w:body>{body}<w:sectPr>'
            '<w:pgSz w:w="11906" w:h="16838"/></w:sectPr></w:body></w:document>',
            "word/styles.xml": f'{XML}<w:styles xmlns:w="{WORD}">{headings}</w:styles>',
            "word/numbering.xml": f'{XML}<w:numbering xmlns:w="{WORD}">'
            '<w:abstractNum w:abstractNumId="0"><w:lvl w:ilvl="0"><w:numFmt w:val="bullet"/>'
            '<w:lvlText w:val="•"/><w:pPr><w:ind w:left="720" w:hanging="360"/></w:pPr></w:lvl>'
            '</w:abstractNum><w:num w:numId="1"><w:abstractNumId w:val="0"/></w:num></w:numbering>',
            "word/_rels/document.xml.rels": _relationships(
                (f"{OFFICE}/styles", "styles.xml"), (f"{OFFICE}/numbering", "numbering.xml")
            ),
        }
    )


def _relationships(*targets: tuple[str, str]) -> str:
    items = "".join(
        f'<Relationship Id="rId{number}" Type="{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets, start=1)
    )
    return f'{XML}<Relationships xmlns="{PACKAGE}/relationships">{items}</Relationships>'


def _docx_block(part: Block) -> str:
    if part.kind == "table":
        edges = "".join(
            f'<w:{edge} w:val="single" w:sz="4"/>'
            for edge in ("top", "left", "bottom", "right", "insideH", "insideV")
        )
        rows = "".join(
            f"<w:tr>{'' if index else '<w:trPr><w:tblHeader/></w:trPr>'}"
            + "".join(f"<w:tc><w:tcPr/>{_docx_paragraph(cell)}</w:tc>" for cell in row)
            + "</w:tr>"
            for index, row in enumerate(part.rows)
        )
        grid = "<w:gridCol/>" * len(part.rows[0])
        return (
            f"<w:tbl><w:tblPr><w:tblBorders>{edges}</w:tblBorders></w:tblPr>"
            f"<w:tblGrid>{grid}</w:tblGrid>{rows}</w:tbl>"
        )
    properties = {
        "h1": '<w:pStyle w:val="Heading1"/>',
        "h2": '<w:pStyle w:val="Heading2"/>',
        "ul": '<w:numPr><w:ilvl w:val="0"/><w:numId w:val="1"/></w:numPr>',
    }.get(part.kind, '<w:spacing w:after="120"/>')
    return "".join(_docx_paragraph(text, properties) for (text,) in part.rows)


def _docx_paragraph(text: str, properties: str = "") -> str:
    return (
        f"<w:p><w:pPr>{properties}</w:pPr>"
        f'<w:r><w:t xml:space="preserve">{escape(text)}</w:t></w:r></w:p>'
    )


def epub(title: str, chapters: Sequence[str]) -> bytes:
    """An EPUB 3.3 book with a table of contents; headings and paragraphs only."""
    page = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE html>\n'
        '<html xmlns="http://www.w3.org/1999/xhtml" xmlns:epub="http://www.idpf.org/2007/ops" '
        'xml:lang="en"><head><title>{}</title></head><body>{}</body></html>\n'
    )
    parts = [blocks(chapter) for chapter in chapters]
    names = [f"chapter{number}" for number in range(1, len(parts) + 1)]
    items = "".join(
        f'<item id="{name}" href="{name}.xhtml" media-type="application/xhtml+xml"/>'
        for name in names
    )
    spine = "".join(f'<itemref idref="{name}"/>' for name in names)
    contents = "".join(
        f'<li><a href="{name}.xhtml">{escape(part[0].text)}</a></li>'
        for name, part in zip(names, parts, strict=True)
    )
    files = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<?xml version="1.0"?>\n<container version="1.0" '
        'xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="book/package.opf" media-type="application/oebps-package+xml"/>'
        "</rootfiles></container>",
        "book/package.opf": '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0" unique-identifier="id">'
        '<metadata xmlns:dc="http://purl.org/dc/elements/1.1/">'
        '<dc:identifier id="id">larkspur-reading-the-sea</dc:identifier>'
        f"<dc:title>{escape(title)}"
        f"</dc:title><dc:language>en</dc:language><dc:creator>{AUTHOR}</dc:creator>"
        f'<meta property="dcterms:modified">{WRITTEN:%Y-%m-%dT%H:%M:%SZ}</meta></metadata>'
        '<manifest><item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" '
        f'properties="nav"/>{items}</manifest><spine>{spine}</spine></package>',
        "book/nav.xhtml": page.format(
            escape(title), f'<nav epub:type="toc"><h1>Contents</h1><ol>{contents}</ol></nav>'
        ),
    }
    for name, part in zip(names, parts, strict=True):
        body = "\n".join(f"<{b.kind}>{escape(b.text)}</{b.kind}>" for b in part)
        files[f"book/{name}.xhtml"] = page.format(escape(part[0].text), body)
    return archive(files)


def presentation(title: str, slides: Sequence[Slide]) -> bytes:
    deck = pptx.Presentation()
    properties = deck.core_properties
    properties.title, properties.author, properties.last_modified_by = title, AUTHOR, AUTHOR
    properties.created = properties.modified = WRITTEN.replace(tzinfo=None)
    properties.comments = ""
    bullets, only_title = deck.slide_layouts[1], deck.slide_layouts[5]
    for item in slides:
        slide = deck.slides.add_slide(only_title if item.table else bullets)
        slide.shapes.title.text = item.title
        if item.table:
            width, height = len(item.table[0]), len(item.table)
            area = Cm(1.5), Cm(4.5), Cm(22), Cm(1.2 * height)
            table = slide.shapes.add_table(height, width, *area).table
            for row, cells in enumerate(item.table):
                for column, cell in enumerate(cells):
                    table.cell(row, column).text = cell
        else:
            slide.placeholders[1].text = "\n".join(item.points)
        if item.notes:
            slide.notes_slide.notes_text_frame.text = item.notes
    for layout in list(deck.slide_layouts):
        if layout not in (bullets, only_title):
            deck.slide_layouts.remove(layout)
    return _saved(deck.save)


def workbook(title: str, sheets: Mapping[str, Sequence[Sequence[str | int]]]) -> bytes:
    book = openpyxl.Workbook()
    book.properties.title, book.properties.creator = title, AUTHOR
    book.properties.created = WRITTEN.replace(tzinfo=None)
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
        for cell in sheet[1]:
            cell.font = Font(bold=True)
        sheet.column_dimensions["B"].width = 60
        sheet.freeze_panes = "A2"
    return _saved(book.save)


def message(headers: Mapping[str, str], *, text: str, html: str = "") -> bytes:
    mail = EmailMessage()
    for name, value in headers.items():
        mail[name] = value
    mail.set_content(text.strip() + "\n")
    if html:
        mail.add_alternative(html.strip() + "\n", subtype="html")
        mail.set_boundary("=-larkspur-alternative-=")
    return mail.as_bytes()


def _saved(save: Callable[[io.BytesIO], object]) -> bytes:
    """What an Office library saves, with the times that it adds by itself set to `WRITTEN`."""
    out = io.BytesIO()
    save(out)
    with zipfile.ZipFile(out) as saved:
        members = {name: saved.read(name) for name in saved.namelist()}
    members["docProps/core.xml"] = re.sub(
        rb"(<dcterms:modified[^>]*>)[^<]*",
        rb"\g<1>" + f"{WRITTEN:%Y-%m-%dT%H:%M:%SZ}".encode(),
        members["docProps/core.xml"],
    )
    return archive(members)


def archive(members: Mapping[str, str | bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as target:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, WRITTEN.timetuple()[:6])
            info.create_system = 3  # else it says on which system this ran
            target.writestr(info, content)
    return out.getvalue()


# --- the files -----------------------------------------------------------------------------


def build(folder: Path) -> None:
    files = {
        "petrel-500-manual.pdf": pdf(MANUAL),
        "field-guide.pdf": pdf(FIELD_GUIDE),
        "parental-leave.docx": docx(PARENTAL_LEAVE),
        "purchasing-policy.docx": docx(PURCHASING),
        "reading-the-sea.epub": epub("Reading the sea", (WAVES, PRESSURE)),
        "onboarding.pptx": presentation("Onboarding at Larkspur Instruments", ONBOARDING),
        "price-list.xlsx": workbook("Price list 2026", PRICE_LIST),
        "order-lk-20418.eml": message(
            {
                "From": "Solveig Aas <solveig.aas@nordland-rescue.example>",
                "To": "Rory Keane <rory.keane@larkspur.example>",
                "Subject": "Re: Order LK-20418, delivery to Bodø",
                "Date": "Tue, 24 Feb 2026 08:12:00 +0100",
                "Message-ID": "<20260224.0812@nordland-rescue.example>",
            },
            text=ORDER_THREAD,
        ),
        "winter-shutdown.eml": message(
            {
                "From": "Priya Raman <priya.raman@larkspur.example>",
                "To": "All staff <all@larkspur.example>",
                "Subject": "Winter shutdown 2026",
                "Date": "Mon, 09 Nov 2026 09:00:00 +0000",
                "Message-ID": "<20261109.0900@larkspur.example>",
            },
            text="This message is best read as HTML.",
            html=SHUTDOWN,
        ),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)


if __name__ == "__main__":
    build(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parent / "handbook")
