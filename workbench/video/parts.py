"""A long job in finished parts, so that a kill costs seconds: `<out>.parts/`.

Each part is a playable MP4; `state.json` says which are done, and `carry.safetensors` holds what
the smoothing remembers after the last of them. At the end the parts are joined packet by packet,
with the sound of the source, and the folder goes.
"""

from __future__ import annotations

import heapq
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from safetensors.torch import load_file, save_file

from workbench.errors import Problem
from workbench.video.clips import Clip, open_clip
from workbench.video.motion import Carry

COPIED = ("aac", "mp3", "mp2", "ac3", "eac3", "opus", "flac", "alac")  # sound that MP4 can hold


@dataclass(frozen=True)
class Part:
    """One finished piece: its file, the time of its first frame in ticks, its frames."""

    file: str
    start: int
    frames: int


class Parts:
    """The folder of finished parts of one job; `key` says what job it is."""

    def __init__(self, out: Path, key: dict[str, Any]) -> None:
        """Pick up a job with the same key; a job with another key is thrown away."""
        self.folder = out.with_name(out.name + ".parts")
        self.key = json.loads(json.dumps(key))
        self.parts: list[Part] = []
        self.rows: list[dict[str, Any]] = []
        self.carry: Carry | None = None
        state = self._state()
        if state is None or state["key"] != self.key:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)
        elif state["parts"]:
            self.parts = [Part(**part) for part in state["parts"]]
            self.rows = state["rows"]
            kept = load_file(self.folder / state["carry"])
            self.carry = Carry(kept["L"], kept["sums"], state["time"])

    def _state(self) -> dict[str, Any] | None:
        try:
            return json.loads((self.folder / "state.json").read_text())
        except FileNotFoundError:
            return None

    @property
    def frames(self) -> int:
        """Frames in the finished parts."""
        return sum(part.frames for part in self.parts)

    def next_file(self) -> Path:
        """Where the part in work is written; it counts only once `add` has named it."""
        return self.folder / f"part-{len(self.parts):05d}.mp4"

    def add(self, start: int, frames: int, carry: Carry, rows: list[dict[str, Any]]) -> None:
        """Count the part in `next_file` as finished; from here a killed job goes on."""
        part = Part(self.next_file().name, start, frames)
        kept = f"carry-{len(self.parts):05d}.safetensors"
        save_file({"L": carry.L.contiguous(), "sums": carry.sums.contiguous()}, self.folder / kept)
        self.parts.append(part)
        self.rows += rows
        self.carry = carry
        state = {
            "key": self.key,
            "parts": [asdict(part) for part in self.parts],
            "rows": self.rows,
            "carry": kept,
            "time": carry.time,
        }
        fresh = self.folder / "state.json.new"
        fresh.write_text(json.dumps(state))
        os.replace(fresh, self.folder / "state.json")
        if len(self.parts) > 1:
            (self.folder / f"carry-{len(self.parts) - 2:05d}.safetensors").unlink(missing_ok=True)

    def join(self, out: Path, clip: Clip, whole: bool, notes: list[str]) -> None:
        """Write all parts and the source's sound to `out`, by way of a file beside it.

        `whole` False: the sound ends where the pictures end.
        """
        if not self.parts:
            raise Problem(
                f"Nothing of {clip.path.name} was coloured, so {out.name} is not written."
            )
        fresh = out.with_name(f".{out.stem}.new{out.suffix}")
        with (
            open_clip(clip.path) as source,
            av.open(str(self.folder / self.parts[0].file)) as first,
            av.open(str(fresh), "w", format="mp4", options={"movflags": "+faststart"}) as result,
        ):
            pictures = result.add_stream_from_template(first.streams.video[0])
            pictures.time_base = clip.time_base
            if clip.display_matrix:
                pictures.set_display_matrix(clip.display_matrix)
            tracks, aac = {}, {}
            for track in source.streams.audio:
                if track.codec_context is None:
                    continue
                if track.codec_context.codec.canonical_name in COPIED:
                    tracks[track.index] = result.add_stream_from_template(track)
                else:
                    rate = track.codec_context.sample_rate
                    tracks[track.index] = result.add_stream("aac", rate=rate)
                    aac[track.index] = tracks[track.index]
                    notes.append(
                        f"The sound ({track.codec_context.name}) does not fit into an MP4; "
                        "it was converted to AAC."
                    )
            end = None if whole else Fraction(self._last_time(clip)) * clip.time_base
            flows = [self._pictures(clip, pictures)]
            if tracks:
                flows.append(_sound(source, tracks, aac, end))
            for _, packet in heapq.merge(*flows, key=lambda item: item[0]):
                result.mux(packet)
        os.replace(fresh, out)

    def _last_time(self, clip: Clip) -> int:
        last = self.parts[-1]
        with av.open(str(self.folder / last.file)) as part:
            ends = [
                (packet.pts + (packet.duration or 0)) * packet.time_base / clip.time_base
                for packet in part.demux(video=0)
                if packet.pts is not None
            ]
        return last.start + round(max(ends))

    def _pictures(self, clip: Clip, stream: av.VideoStream) -> Iterator[tuple[float, av.Packet]]:
        for part in self.parts:
            with av.open(str(self.folder / part.file)) as container:
                for packet in container.demux(video=0):
                    if packet.pts is None:
                        continue
                    ticks = packet.pts * packet.time_base / clip.time_base
                    length = (packet.duration or 0) * packet.time_base / clip.time_base
                    packet.pts = packet.dts = part.start + round(ticks)
                    packet.duration = round(length)
                    packet.time_base = clip.time_base
                    packet.stream = stream
                    yield float(packet.pts * clip.time_base), packet

    def remove(self) -> None:
        """The job is done: nothing is left to resume."""
        shutil.rmtree(self.folder)


def _sound(
    source: av.container.InputContainer,
    tracks: dict[int, av.AudioStream],
    aac: dict[int, av.AudioStream],
    end: Fraction | None,
) -> Iterator[tuple[float, av.Packet]]:
    """The packets of the sound, as they are, or as AAC where MP4 cannot hold them."""
    streams = [source.streams[index] for index in tracks]
    packets = source.demux(streams)
    latest = 0.0
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:
            break  # the pictures' own reader has noted where the file breaks off
        if packet is None:
            break
        if packet.dts is None or (end is not None and packet.dts * packet.time_base >= end):
            continue
        index = packet.stream.index
        if index in aac:
            for frame in packet.decode():
                for coded in aac[index].encode(frame):
                    latest = max(latest, float((coded.pts or 0) * coded.time_base))
                    yield latest, coded
        else:
            latest = max(latest, float(packet.dts * packet.time_base))
            packet.stream = tracks[index]
            yield latest, packet
    for stream in aac.values():
        for coded in stream.encode(None):
            yield max(latest, float((coded.pts or 0) * coded.time_base)), coded
