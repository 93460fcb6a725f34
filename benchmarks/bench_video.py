"""Speed and flicker of video, a table: `python -m benchmarks.bench_video [--speed FILE] ...`.

Speed: frames/s of `colorize_video` (decoding, network, smoothing, measuring, encoding: everything)
beside a plain loop over the same frames: read, `colorize`, encode, one frame after the other.
Memory: `--minutes 10` colours a clip that long, made by repeating `--speed`, and prints the peak
of this process at every tenth.
Flicker: CDC before and after the smoothing, and PSNR where the clip has colour, on pictures 432
wide before H.264; drift (warped-ab error) as `video.trace` measures it.

A model without a checkpoint is built with random weights, and its row says so: its speed counts,
its flicker does not.
"""

from __future__ import annotations

import argparse
import itertools
import resource
import tempfile
import time
from pathlib import Path

import av
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from workbench.checkpoints import available
from workbench.color import join_rgb, split_lab
from workbench.coloring.colorize import Settings, colorize
from workbench.evaluation.flicker import cdc_of_histograms, histogram
from workbench.models import MODELS
from workbench.video import Clip, Progress, colorize_video, probe
from workbench.video.clips import read_frames, to_rgb
from workbench.video.pipeline import color_blocks, read_blocks
from workbench.video.trace import COLORED, Trace, mean

LEGACY = Path(__file__).resolve().parents[2] / "shared" / "data" / "legacy"


def shorten(source: Path, out: Path, frames: int, size: tuple[int, int] | None) -> Path:
    """The first frames of a clip, over and over if it has fewer, at another size if asked."""
    clip = probe(source)
    width, height = size or (clip.width, clip.height)
    with av.open(str(out), "w") as container:
        stream = container.add_stream("libx264", rate=clip.rate)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.options = {"crf": "14"}
        again = itertools.chain.from_iterable(read_frames(clip) for _ in itertools.count())
        for i, (_, frame) in enumerate(itertools.islice(again, frames)):
            small = frame.reformat(width, height, "yuv420p")
            small.pts, small.time_base = i, 1 / clip.rate
            container.mux(stream.encode(small))
        container.mux(stream.encode(None))
    return out


def plain_loop(source: Path, out: Path, net: nn.Module, size: int, exact: bool) -> float:
    """Frames/s of one frame after the other."""
    clip = probe(source)
    start, frames = time.perf_counter(), 0
    with av.open(str(source)) as reader, av.open(str(out), "w") as writer:
        stream = writer.add_stream("libx264", rate=clip.rate)
        stream.width, stream.height, stream.pix_fmt = clip.width, clip.height, "yuv420p"
        stream.codec_context.options = {"crf": "18", "preset": "veryfast"}
        for frame in reader.decode(video=0):
            rgb = torch.from_numpy(frame.to_ndarray(format="rgb24")).permute(2, 0, 1)
            made = colorize(net, rgb, Settings(exact=exact), size).rgb
            picture = np.ascontiguousarray(made.permute(1, 2, 0).numpy())
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                writer.mux(packet)
            frames += 1
        writer.mux(stream.encode(None))
    return frames / (time.perf_counter() - start)


@torch.inference_mode()
def flicker(clip: Clip, net: nn.Module, size: int, strength: float, every: int) -> dict[str, float]:
    """CDC (also of the clip's own colours and of its L alone), drift and PSNR."""
    seen: dict[str, list] = {"own": [], "L alone": [], "before": [], "after": []}
    trace, rows = Trace(), []
    errors: dict[str, list[float]] = {"before": [], "after": []}
    blocks = read_blocks(clip, size, 0, [])
    for item in color_blocks(clip, blocks, net, Settings(), strength, every):
        seconds = [float(moment * clip.time_base) for moment in item.block.times]
        rows += trace.rows(seconds, item.block.small, item.given, item.steady.ab, item.steady.moves)
        for i, frame in enumerate(item.block.frames):
            rgb = torch.from_numpy(to_rgb(frame)).permute(2, 0, 1)
            L, ab = split_lab(rgb)
            seen["own"].append(histogram(rgb))
            seen["L alone"].append(histogram(join_rgb(L, torch.zeros_like(ab))))
            colored = ab.square().sum(0).sqrt().mean() > COLORED
            for name, small in (("before", item.given), ("after", item.steady.ab)):
                big = F.interpolate(small[i : i + 1], size=L.shape[-2:], mode="bilinear")[0]
                made = join_rgb(L, big)
                seen[name].append(histogram(made))
                if colored:
                    error = (made.float() - rgb.float()).square().mean()
                    errors[name].append(float(10 * torch.log10(255**2 / error)))
    row = {f"CDC {name}": cdc_of_histograms(values) for name, values in seen.items()}
    for name, values in errors.items():
        row[f"drift {name}"] = mean(rows, f"drift_{name}")
        row[f"PSNR {name}"] = float(np.mean(values)) if values else float("nan")
    return row


def memory(source: Path, minutes: float, title: str, net: nn.Module, size: int) -> None:
    """Print the peak of this process at every tenth of a long clip."""
    with tempfile.TemporaryDirectory() as folder:
        frames = round(minutes * 60 * probe(source).rate)
        long = shorten(source, Path(folder, "long.mp4"), frames, None)
        tenths: list[str] = []

        def heard(progress: Progress) -> None:
            if progress.frames * 10 >= (len(tenths) + 1) * frames:
                peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
                tenths.append(f"{peak:.2f}")

        report = colorize_video(long, Path(folder, "out.mp4"), net, size=size, progress=heard)
        print(f"{title}: {report.frames:,} frames at {report.rate:.0f} frames/s; peak GiB at every "
              f"tenth: {' '.join(tenths)}")  # fmt: skip


def load_networks(names: list[str], width: float) -> list[tuple[str, nn.Module, int]]:
    """(title, network, its size): a checkpoint of that name or random weights."""
    found, here = [], available()
    for name in names:
        if name in here:
            found.append((name, here[name].net(), here[name].size))
        else:
            torch.manual_seed(0)
            spec = MODELS[name]
            found.append((f"{name} {width} (random)", spec.build(width=width).eval(), spec.size))
    return found


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", nargs="+", default=["vanilla_cnn", "attention_pix2pix"])
    parser.add_argument("--width", type=float, default=0.5, help="of networks with random weights")
    parser.add_argument("--speed", type=Path, default=LEGACY / "bw_film_clip.mp4")
    parser.add_argument("--flicker", type=Path, nargs="*", default=[])
    parser.add_argument("--frames", type=int, default=360)
    parser.add_argument("--strength", type=float, default=0.5)
    parser.add_argument("--every", type=int, default=2)
    parser.add_argument("--size", type=int, help="short side for the network, pixels")
    parser.add_argument("--minutes", type=float, help="of a long clip: its memory, nothing else")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.minutes:
        for title, net, own in load_networks(arguments.models, arguments.width):
            memory(arguments.speed, arguments.minutes, title, net, arguments.size or own)
        return
    print(f"{arguments.threads} threads, bf16 where quick, strength {arguments.strength}")
    with tempfile.TemporaryDirectory() as folder:
        short = shorten(arguments.speed, Path(folder, "short.mp4"), arguments.frames, (432, 320))
        for title, net, own in load_networks(arguments.models, arguments.width):
            size = arguments.size or own
            out = Path(folder, "out.mp4")
            warm = shorten(short, Path(folder, "warm.mp4"), 8, None)
            colorize_video(warm, Path(folder, "warm_out.mp4"), net, size=size)
            report = colorize_video(
                short, out, net, size=size, strength=arguments.strength, every=arguments.every
            )
            quick, exact = (plain_loop(short, out, net, size, e) for e in (False, True))
            print(
                f"{title:34} at {size}: {report.rate:6.1f} frames/s; "
                f"plain loop {quick:5.1f} (bf16) {exact:5.1f} (fp32)",
                flush=True,
            )
            for path in arguments.flicker:
                clip = probe(path)
                wide = (432, round(432 * clip.height / clip.width / 2) * 2)
                small = probe(shorten(path, Path(folder, "small.mp4"), clip.frames, wide))
                row = flicker(small, net, size, arguments.strength, arguments.every)
                text = "  ".join(f"{key} {value:.4f}" for key, value in row.items())
                print(f"    {path.name}: {text}", flush=True)


if __name__ == "__main__":
    main()
