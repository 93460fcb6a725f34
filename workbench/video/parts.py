"""A long job in finished parts, so that a kill costs seconds: `<out>.parts/`.

Each part is a playable MP4; `state.json` says which are done, and `carry.safetensors` holds what
the smoothing remembers after the last of them. At the end the parts are joined packet by packet,
with the sound of the source, and the folder goes.
"""

from __future__ import annotations

import heapq
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from workbench.errors import Problem, guard_decoder, reason_of
from workbench.images.files import XMP
from workbench.images.signing import sign_clip
from workbench.names import printable
from workbench.video.clips import Clip, open_clip
from workbench.video.motion import Carry, Place
from workbench.writing import replacing

AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000)
AAC_LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}
TAGS = (  # of a whole file, that are kept
    "title", "artist", "album", "album_artist", "composer", "genre", "date", "comment",
    "description", "copyright", "creation_time",
)  # fmt: skip
XMP_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")  # Adobe's XMP specification, part 3
COPIED = ("aac", "mp3", "mp2", "ac3", "eac3", "opus", "flac", "alac")  # sound that MP4 can hold


@contextmanager
def guard_writing(out: Path) -> Iterator[None]:
    """Around everything that is written: a full disk, or one that says no, is a Problem."""
    try:
        yield
    except (OSError, av.error.FFmpegError, SafetensorError) as error:
        raise Problem(
            f"{printable(out.name)} could not be written: {reason_of(error)}. Make room or choose "
            "another folder, and start again: what is finished is kept."
        ) from error


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
            kept, painted = state["kept"], state.get("painted")
            place = None if painted is None else Place(painted, kept["way"])
            self.carry = Carry(kept["L"], kept["sums"], state["time"], place)

    def _state(self) -> dict[str, Any] | None:
        """What an earlier run left; None where that is nothing, or damaged."""
        try:
            with guard_decoder("{error}"):
                text = (self.folder / "state.json").read_text(encoding="utf-8")
                state = json.loads(text)
                if state["parts"]:
                    state["kept"] = load_file(self.folder / state["carry"])
                    state["kept"]["L"], state["kept"]["sums"]
                    if state.get("painted") is not None:
                        state["kept"]["way"]
                whole = all((self.folder / part["file"]).is_file() for part in state["parts"])
                known = all(name in state for name in ("key", "rows"))
                return state if whole and known else None
        except (Problem, KeyError, TypeError, IndexError):
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
        planes = {"L": carry.L, "sums": carry.sums}
        if carry.place:
            planes["way"] = carry.place.way
        save_file({name: plane.contiguous() for name, plane in planes.items()}, self.folder / kept)
        self.parts.append(part)
        self.rows += rows
        self.carry = carry
        state = {
            "key": self.key,
            "parts": [asdict(part) for part in self.parts],
            "rows": self.rows,
            "carry": kept,
            "time": carry.time,
            "painted": carry.place.number if carry.place else None,
        }
        with replacing(self.folder / "state.json") as partial:
            partial.write_text(json.dumps(state))
        if len(self.parts) > 1:
            (self.folder / f"carry-{len(self.parts) - 2:05d}.safetensors").unlink(missing_ok=True)

    def join(
        self,
        out: Path,
        clip: Clip,
        whole: bool,
        notes: list[str],
        marks: Mapping[str, str] | None = None,
    ) -> None:
        """Write all parts and the source's sound to `out`, by way of a file in the folder.

        `whole` False: the sound ends where the pictures end. marks: what the file says of how it
        was made, added to the source's comment, and an XMP packet that says AI had a part in it.
        """
        if not self.parts:
            raise Problem(
                f"Nothing of {clip.path.name} was coloured, so {out.name} is not written."
            )
        with replacing(out, self.folder / "joined.mp4") as fresh:
            self._write_joined(fresh, clip, whole, notes, marks)
            if marks:
                packet = XMP.encode()
                with fresh.open("ab") as file:  # at the end: nothing in the file moves
                    size = 8 + len(XMP_BOX) + len(packet)
                    file.write(size.to_bytes(4, "big") + b"uuid" + XMP_BOX + packet)
                sign_clip(fresh, marks)

    def _write_joined(
        self,
        fresh: Path,
        clip: Clip,
        whole: bool,
        notes: list[str],
        marks: Mapping[str, str] | None,
    ) -> None:
        with (
            open_clip(clip.path) as source,
            av.open(str(self.folder / self.parts[0].file)) as first,
            av.open(str(fresh), "w", format="mp4", options={"movflags": "+faststart"}) as result,
        ):
            result.metadata.update(
                {tag: source.metadata[tag] for tag in TAGS if tag in source.metadata}
            )
            if marks:
                said = "; ".join(f"{name}: {text}" for name, text in marks.items())
                before = source.metadata.get("comment", "")
                result.metadata["comment"] = f"{before} ({said})" if before else said
            pictures = result.add_stream_from_template(first.streams.video[0])
            pictures.time_base = clip.time_base
            if clip.display_matrix:
                pictures.set_display_matrix(clip.display_matrix)
            tracks, aac = {}, {}
            for track in source.streams.audio:
                if track.codec_context is None:
                    continue
                if (made := _track(result, track, notes)) is None:
                    continue
                tracks[track.index] = made
                if track.codec_context.codec.canonical_name not in COPIED:
                    aac[track.index] = made
                for tag in ("language", "title"):
                    if tag in track.metadata:
                        made.metadata[tag] = track.metadata[tag]
            end = None if whole else Fraction(self._last_time(clip)) * clip.time_base
            flows = [self._pictures(clip, pictures)]
            if tracks:
                flows.append(_sound(source, tracks, aac, end, notes))
            for _, packet in heapq.merge(*flows, key=lambda item: item[0]):
                result.mux(packet)

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


def _track(
    result: av.container.OutputContainer, track: av.AudioStream, notes: list[str]
) -> av.AudioStream | None:
    """The result's track for one of the source: the same, or AAC; None where neither can be."""
    context = track.codec_context
    try:
        with guard_decoder("{error}"):
            if context.codec.canonical_name in COPIED:
                return result.add_stream_from_template(track)
            rate = context.sample_rate
            if rate not in AAC_RATES:  # the nearest of its own family, 44,100 or 48,000
                family = 11025 if rate % 11025 == 0 else 8000
                rate = 44100 if family == 11025 else 48000
                if context.sample_rate < 8000:
                    rate = family if family == 11025 else 8000
            channels = context.layout.nb_channels
            layout = AAC_LAYOUTS.get(channels, "stereo")
            made = result.add_stream("aac", rate=rate, layout=layout)
            made.codec_context.open()
    except Problem as problem:
        notes.append(f"A track of sound ({context.name}) was left out: {problem}.")
        return None
    said = f"The sound ({context.name}) does not fit into an MP4; it was converted to AAC"
    said += f" of {rate:,} Hz" * (rate != context.sample_rate)
    said += f" in {layout}" * (AAC_LAYOUTS.get(channels) is None)
    notes.append(said + ".")
    return made


def _sound(
    source: av.container.InputContainer,
    tracks: dict[int, av.AudioStream],
    aac: dict[int, av.AudioStream],
    end: Fraction | None,
    notes: list[str],
) -> Iterator[tuple[float, av.Packet]]:
    """The packets of the sound, as they are, or as AAC where MP4 cannot hold them."""
    streams = [source.streams[index] for index in tracks]
    packets = source.demux(streams)
    latest, broken = 0.0, 0
    while True:
        try:
            with guard_decoder("{error}"):
                packet = next(packets, None)
        except Problem:
            break  # the pictures' own reader has noted where the file breaks off
        if packet is None:
            break
        if packet.dts is None or (end is not None and packet.dts * packet.time_base >= end):
            continue
        index = packet.stream.index
        if index in aac:
            try:
                with guard_decoder("{error}"):
                    made = [each for frame in packet.decode() for each in aac[index].encode(frame)]
            except Problem:
                broken += 1
                continue
            for coded in made:
                latest = max(latest, float((coded.pts or 0) * coded.time_base))
                yield latest, coded
        else:
            latest = max(latest, float(packet.dts * packet.time_base))
            packet.stream = tracks[index]
            yield latest, packet
    for stream in aac.values():
        try:
            with guard_decoder("{error}"):
                rest = list(stream.encode(None))
        except Problem:
            continue  # nothing was ever encoded in it
        for coded in rest:
            yield max(latest, float((coded.pts or 0) * coded.time_base)), coded
    if broken:
        notes.append(f"{broken} packets of sound could not be decoded and were left out.")
