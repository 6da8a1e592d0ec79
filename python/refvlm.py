"""A client of `refvlm serve`, by the standard library alone.

    import refvlm
    model = refvlm.Client("http://127.0.0.1:8080")
    answer = model.ask("photo.jpg", "Segment [prompt 1].", prompts=[refvlm.point(120, 80)])
    print(answer.text)
    for target in answer.targets:
        print(target.phrase, target.box, target.confidence)
    answer.draw("answer.png")          # needs Pillow

Coordinates are pixels of the picture: x to the right, y down; boxes are [x1, y1, x2, y2].
"""

from __future__ import annotations

import base64
import io
import json
import mimetypes
import os
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any, Iterator

__all__ = ["Client", "Answer", "Target", "Refused", "point", "box", "scribble", "mask"]
__version__ = "0.1.0"

COLOURS = [(230, 25, 75), (60, 180, 75), (0, 130, 200), (245, 130, 48), (145, 30, 180), (0, 128, 128)]
LIMBS = [(15, 13), (13, 11), (16, 14), (14, 12), (11, 12), (5, 11), (6, 12), (5, 6), (5, 7), (6, 8),
         (7, 9), (8, 10), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6)]


def point(x: float, y: float, label: int = 1) -> dict:
    """A click; label 0 cuts it out of the prompt before it."""
    return {"kind": "point", "x": x, "y": y, "label": label}


def box(x1: float, y1: float, x2: float, y2: float, label: int = 1) -> dict:
    """A rectangle by two corners."""
    return {"kind": "box", "xyxy": [x1, y1, x2, y2], "label": label}


def scribble(points: list, label: int = 1) -> dict:
    """A free line through `[[x, y], ...]`."""
    return {"kind": "scribble", "points": [list(p) for p in points], "label": label}


def mask(rle: dict, label: int = 1) -> dict:
    """A painted region as COCO's run lengths, as answers hold them."""
    return {"kind": "mask", "mask": rle, "label": label}


class Refused(Exception):
    """The server did not answer; `kind` is for programs, `remedy` says what helps."""

    def __init__(self, status: int, error: dict):
        super().__init__(error.get("message") or f"status {status}")
        self.status = status
        self.kind = error.get("code")
        self.remedy = error.get("remedy")


@dataclass
class Target:
    """Something in the picture that a phrase of the answer means."""

    phrase: str
    unit: str
    confidence: float
    box: list | None = None
    rle: dict | None = None
    keypoints: list | None = None
    depth: dict | None = None

    def pixels(self) -> list:
        """Rows of 0 and 1 of the mask."""
        if self.rle is None:
            raise ValueError(f"'{self.phrase}' is a {self.unit}, not a mask; ask for a segmentation")
        height, width = self.rle["size"]
        rows = [bytearray(width) for _ in range(height)]
        at, value = 0, 0
        for run in runs_of(self.rle["counts"]):
            if value:
                for k in range(at, at + run):
                    rows[k % height][k // height] = 1
            at, value = at + run, 1 - value
        return rows


@dataclass
class Answer:
    """An answer: its words, what its phrases mean, and everything as the server sent it."""

    text: str
    targets: list
    raw: dict
    picture: bytes = field(repr=False, default=b"")

    def draw(self, path: str | None = None) -> Any:
        """The picture with the answer drawn on it, as a Pillow image; saved where there is a path."""
        try:
            from PIL import Image, ImageDraw, ImageOps
        except ImportError as error:
            raise ImportError("drawing needs Pillow; install it by: pip install pillow") from error
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(self.picture))).convert("RGB")
        for number, target in enumerate(self.targets):
            colour = COLOURS[number % len(COLOURS)]
            if target.rle:
                rows = target.pixels()
                alpha = bytes(110 if v else 0 for row in rows for v in row)
                paint = Image.new("RGB", image.size, colour)
                image.paste(paint, (0, 0), Image.frombytes("L", image.size, alpha))
            if target.depth:
                metres = target.depth["metres"]
                low, high = min(metres), max(metres)
                grey = bytes(int(255 * (high - m) / ((high - low) or 1)) for m in metres)
                size = (target.depth["width"], target.depth["height"])
                image = Image.frombytes("L", size, grey).resize(image.size).convert("RGB")
            pen = ImageDraw.Draw(image)
            if target.box:
                pen.rectangle(target.box, outline=colour, width=2)
                pen.text((target.box[0] + 4, target.box[1] + 2), target.phrase, fill=colour)
            for a, b in LIMBS if target.keypoints else []:
                ends = [target.keypoints[a], target.keypoints[b]]
                if all(presence > 0.5 for _, _, presence in ends):
                    pen.line([tuple(end[:2]) for end in ends], fill=colour, width=2)
        if path:
            image.save(path)
        return image


class Client:
    """A server to ask."""

    def __init__(self, url: str = "http://127.0.0.1:8080", token: str | None = None,
                 timeout: float = 90.0, retries: int = 8):
        self.url = url.rstrip("/")
        self.token = token or os.environ.get("REFVLM_TOKEN")
        self.timeout = timeout
        self.retries = retries

    def ask(self, picture: Any, question: str = "", task: str | None = None, prompts: list | None = None,
            **options: Any) -> Answer:
        """Asks about a picture: a path, bytes, or a Pillow image. `options` are OpenAI's, such as
        `temperature` and `max_tokens`."""
        data, body = self._body(picture, question, task, prompts, options)
        with self._send("/v1/chat/completions", body) as reply:
            whole = json.load(reply)
        message = whole["choices"][0]["message"]
        targets = [_target(phrase, target) for phrase in message["refvlm"]["phrases"]
                   for target in phrase["targets"]]
        return Answer(message["content"], targets, whole, data)

    def stream(self, picture: Any, question: str = "", task: str | None = None,
               prompts: list | None = None, **options: Any) -> Iterator:
        """As `ask`, but piece by piece: texts as `str`, and each `Target` as soon as it is known."""
        _, body = self._body(picture, question, task, prompts, {**options, "stream": True})
        phrases: dict = {}
        with self._send("/v1/chat/completions", body) as reply:
            for line in reply:
                line = line.strip()
                if not line.startswith(b"data: ") or line == b"data: [DONE]":
                    continue
                event = json.loads(line[6:])
                if "error" in event:
                    raise Refused(200, event["error"])
                for choice in event["choices"]:
                    delta = choice["delta"]
                    more = delta.get("refvlm") or {}
                    if delta.get("content"):
                        yield delta["content"]
                    if "phrase" in more:
                        phrases[more["phrase"]["number"]] = more["phrase"]
                    if "target" in more:
                        yield _target(phrases[more["number"]], more["target"])

    def models(self) -> list:
        """What the server has."""
        with self._send("/v1/models", None) as reply:
            return json.load(reply)["data"]

    def _body(self, picture: Any, question: str, task: str | None, prompts: list | None,
              options: dict) -> tuple:
        data, mime = _bytes(picture)
        url = f"data:{mime};base64,{base64.b64encode(data).decode()}"
        more: dict = {"prompts": prompts or []}
        if task:
            more["task"] = task
        parts = [{"type": "text", "text": question}, {"type": "image_url", "image_url": {"url": url}}]
        message = {"role": "user", "content": parts, "refvlm": more}
        return data, {"model": "refvlm", "messages": [message], **options}

    def _send(self, path: str, body: dict | None) -> Any:
        headers = {"Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None if body is None else json.dumps(body).encode()
        for attempt in range(self.retries + 1):
            request = urllib.request.Request(self.url + path, data, headers)
            try:
                return urllib.request.urlopen(request, timeout=self.timeout)
            except urllib.error.HTTPError as error:
                text = error.read()
                if error.code == 429 and attempt < self.retries:
                    time.sleep(float(error.headers.get("Retry-After") or 1))
                    continue
                try:
                    told = json.loads(text)["error"]
                except (ValueError, KeyError, TypeError):
                    told = {"message": text.decode(errors="replace")}
                raise Refused(error.code, told) from None
        raise AssertionError("unreachable")


def _target(phrase: dict, target: dict) -> Target:
    return Target(phrase["phrase"], phrase["unit"], target["confidence"], target.get("box"),
                  target.get("mask"), target.get("keypoints"), target.get("depth"))


def _bytes(picture: Any) -> tuple:
    if isinstance(picture, (bytes, bytearray)):
        return bytes(picture), "application/octet-stream"
    if hasattr(picture, "save"):
        buffer = io.BytesIO()
        picture.save(buffer, "PNG")
        return buffer.getvalue(), "image/png"
    with open(picture, "rb") as file:
        data = file.read()
    return data, mimetypes.guess_type(str(picture))[0] or "application/octet-stream"


def runs_of(counts: Any) -> list:
    """Run lengths out of COCO's text of them."""
    if not isinstance(counts, str):
        return list(counts)
    runs: list = []
    at = 0
    while at < len(counts):
        value, shift, more = 0, 0, True
        while more:
            byte = ord(counts[at]) - 48
            value |= (byte & 31) << shift
            shift += 5
            more = bool(byte & 32)
            at += 1
            if not more and byte & 16:
                value |= -1 << shift
        if len(runs) > 2:
            value += runs[-2]
        runs.append(value)
    return runs
