#!/usr/bin/env python3
"""Makes the picture of a run in the README from a real run: it starts the demo on a terminal of its own, reads what the terminal
would show, and draws the lines of the first two commands as SVG.

    cargo build --example demo && python3 tests/demo/picture.py target/debug/examples/demo .github/run.svg

Needs Python 3 on Linux or macOS. The demo runs in a temporary folder, so nothing is left behind. The colours are those of a common
dark theme; the text is text, so that it can be read, searched and enlarged.
"""
import os
import pathlib
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
import fcntl
import unicodedata
from xml.sax.saxutils import escape

COLUMNS, ROWS = 128, 60
# The first lines of each command that are drawn; a line with dots stands for the rest.
SHOWN = (9, 11)
SIZE, LEFT, TOP, LINE = 13, 18, 52, 19
ADVANCE = SIZE * .6
BACKGROUND, TEXT, FAINT = "#16181d", "#d7dae0", "#8b919d"
COLOURS = {30: "#5c6370", 31: "#f07178", 32: "#a3d977", 33: "#ffcb6b", 34: "#82aaff", 35: "#c792ea", 36: "#7fdbca", 37: TEXT}
COLOURS.update({code + 60: colour for code, colour in list(COLOURS.items())})
SEQUENCE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b.")


def run(program):
    """What the program writes on a terminal of this size."""
    with tempfile.TemporaryDirectory() as folder:
        primary, secondary = pty.openpty()
        fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "xterm-256color", "TZ": "UTC"}
        child = subprocess.Popen([program], cwd=folder, stdin=secondary, stdout=secondary, stderr=secondary, env=environment)
        os.close(secondary)
        parts = []
        try:
            while part := os.read(primary, 65536):
                parts.append(part)
        except OSError:
            pass  # on Linux, the end of a terminal is an error
        if child.wait() != 0:
            sys.exit(b"".join(parts).decode(errors="replace"))
        # Links have the folder of a reader, not that of this run.
        return b"".join(parts).decode().replace(os.path.realpath(folder), "/home/you").replace(folder, "/home/you")


class Screen:
    """A terminal without a lower end: it knows what the program uses. Each cell is a character and its style."""

    def __init__(self):
        self.lines, self.row, self.column, self.style = [[]], 0, 0, (None, False, False)

    def feed(self, text):
        at = 0
        while at < len(text):
            if match := SEQUENCE.match(text, at):
                self.control(match[1] or "", match[2] or "")
                at = match.end()
                continue
            character = text[at]
            at += 1
            if character == "\n":
                self.row += 1
                while len(self.lines) <= self.row:
                    self.lines.append([])
            elif character == "\r":
                self.column = 0
            elif character >= " ":
                self.put(character)

    def put(self, character):
        line = self.lines[self.row]
        wide = 2 if unicodedata.east_asian_width(character) in "WF" else 0 if unicodedata.combining(character) else 1
        if wide == 0 and self.column:
            line[self.column - 1] = (line[self.column - 1][0] + character, line[self.column - 1][1])
            return
        line.extend([(" ", (None, False, False))] * (self.column + wide - len(line)))
        line[self.column] = (character, self.style)
        if wide == 2:
            line[self.column + 1] = ("", self.style)
        self.column += wide

    def control(self, values, kind):
        numbers = [int(value) for value in values.split(";") if value.isdigit()] or [0]
        count = max(1, numbers[0])
        if kind == "m":
            for number in numbers:
                colour, bold, faint = self.style
                if number == 0:
                    self.style = (None, False, False)
                elif number in (1, 2):
                    self.style = (colour, bold or number == 1, faint or number == 2)
                elif number in COLOURS or number == 39:
                    self.style = (COLOURS.get(number), bold, faint)
        elif kind == "A":
            self.row = max(0, self.row - count)
        elif kind == "B":
            self.row += count
            while len(self.lines) <= self.row:
                self.lines.append([])
        elif kind == "C":
            self.column += count
        elif kind == "G":
            self.column = count - 1
        elif kind == "K":
            self.lines[self.row] = self.lines[self.row][:self.column] if numbers[0] == 0 else []
        elif kind == "J":
            del self.lines[self.row + 1:]
            self.lines[self.row] = self.lines[self.row][:self.column]


def plain(line):
    return "".join(character for character, _ in line).rstrip()


def drawn(lines):
    """The lines of the picture: of each command, its own line, the first ones of its output, and its summary."""
    starts = [at for at, line in enumerate(lines) if plain(line).startswith("$ yescale-dl")]
    out = []
    for count, start, end in zip(SHOWN, starts, starts[1:]):
        output = [line for line in lines[start + 1:end] if plain(line)]
        summary = next((at for at, line in enumerate(output) if re.match(r"\d+ complete", plain(line))), len(output))
        out.append([(character, ("#7fdbca" if at == 0 else None, at > 0, False)) for at, (character, _) in enumerate(lines[start])])
        out += output[:min(count, summary)]
        if summary > count:
            out.append([("…", (FAINT, False, False))])
        out += [*output[summary:], []]
    return out[:-1]


def spans(line, y):
    """A line as text, one element for each word group of one style. Each has its place, so that every font keeps the columns."""
    out, at, line = [], 0, line[:COLUMNS]
    while at < len(line):
        end = at
        while end < len(line) and line[end][1] == line[at][1]:
            end += 1
        colour, bold, faint = line[at][1]
        style = f' fill="{colour or (FAINT if faint else TEXT)}"' + (' font-weight="bold"' if bold else "")
        # The second cell of a wide character is empty; here a mark keeps its place.
        cells = "".join(character[:1] or "\0" for character, _ in line[at:end])
        for group in re.finditer(r"[^ ]+(?: [^ ]+)*", cells):
            text = "".join(character for character, _ in line[at + group.start():at + group.end()])
            x, length = LEFT + (at + group.start()) * ADVANCE, len(group[0]) * ADVANCE
            out.append(f'<text x="{x:.1f}" y="{y}" textLength="{length:.1f}"{style}>{escape(text)}</text>')
        at = end
    return out


def main():
    program, out = sys.argv[1:]
    screen = Screen()
    screen.feed(run(pathlib.Path(program).resolve()))
    lines = drawn(screen.lines)
    width, height = round(LEFT * 2 + COLUMNS * ADVANCE), TOP + LINE * len(lines) + 4
    body = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">',
            f'<rect width="{width}" height="{height}" rx="10" fill="{BACKGROUND}"/>',
            *(f'<circle cx="{22 + 20 * at}" cy="20" r="6" fill="{colour}"/>' for at, colour in enumerate(("#ff5f57", "#febc2e", "#28c840"))),
            f'<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" font-size="{SIZE}">']
    for at, line in enumerate(lines):
        body += spans(line, TOP + LINE * at + 6)
    pathlib.Path(out).write_text("\n".join([*body, "</g>", "</svg>", ""]))


main()
