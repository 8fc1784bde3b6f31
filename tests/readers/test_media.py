"""Recordings and films, made here by PyAV and read back."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from bowerbird.encoders.sound import decode
from bowerbird.errors import ReadError
from bowerbird.items import Audio, Item, Text, Video
from bowerbird.readers import ReadOptions, read, source_file, subtitles
from bowerbird.readers.shots import Look, find_shots
from bowerbird.readers.silence import loudness, segments
from bowerbird.readers.speech import speech_available, stretches
from tests.shared import shared

QUIET = ReadOptions(speech=False)
RATE = 16_000


def items(path: Path, options: ReadOptions = QUIET) -> list[Item]:
    return list(read(source_file(str(path), path.name), options))


def tone(seconds: float, pitch: float = 440.0) -> NDArray[np.float32]:
    return (0.3 * np.sin(2 * np.pi * pitch * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


def silence(seconds: float) -> NDArray[np.float32]:
    return np.zeros(int(seconds * RATE), np.float32)


def write_sound(path: Path, samples: NDArray[np.float32], codec: str, **tags: str) -> None:
    with av.open(str(path), "w") as container:
        container.metadata.update(tags)
        stream = container.add_stream(codec, rate=RATE)
        stream.layout = "mono"
        frame = av.AudioFrame.from_ndarray((samples * 32767).astype(np.int16)[None], "s16", "mono")
        frame.rate, frame.pts = RATE, 0
        resampler = av.AudioResampler(stream.format, "mono", RATE, frame_size=stream.codec_context.frame_size or 1024)
        for piece in [*resampler.resample(frame), *resampler.resample(None)]:
            for packet in stream.encode(piece):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)


def write_film(path: Path, colours: list[tuple[int, int, int]], seconds: float = 2.0) -> None:
    """One shot per colour, with a moving square so that frames differ."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 10)
        for shot, colour in enumerate(colours):
            for number in range(int(seconds * 10)):
                picture = np.full((120, 160, 3), colour, np.uint8)
                picture[40:60, 5 * number : 5 * number + 20] = 255 - picture[0, 0]
                frame = av.VideoFrame.from_ndarray(picture, "rgb24")
                frame.pts = shot * int(seconds * 10) + number
                for packet in stream.encode(frame):
                    container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)


@pytest.mark.parametrize(
    ("ending", "codec"), [("wav", "pcm_s16le"), ("flac", "flac"), ("m4a", "aac"), ("ogg", "libopus")]
)
def test_recordings_are_cut_at_silences(tmp_path: Path, ending: str, codec: str) -> None:
    path = tmp_path / f"a.{ending}"
    write_sound(path, np.concatenate([tone(6), silence(3), tone(7, 880)]), codec, title="Two tones", artist="Nobody")
    root, *found = items(path)
    assert root.metadata["seconds"] == pytest.approx(16, abs=0.2)
    assert [item.kind for item in found] == ["segment", "segment"]
    spans = [(item.locator.start, item.locator.end) for item in found]
    assert spans[0] == pytest.approx((0, 6), abs=0.2)
    assert spans[1] == pytest.approx((9, 16), abs=0.2)
    if ending in ("flac", "m4a"):
        assert (root.title, root.metadata["author"]) == ("Two tones", "Nobody")
    assert found[0].image is not None
    assert found[0].image.open().size == (320, 80)


def test_long_sound_is_divided_and_silence_is_dropped() -> None:
    stretches = segments(loudness([tone(70)]))
    assert all(stretch.end - stretch.start <= 30.1 for stretch in stretches)
    assert sum(stretch.end - stretch.start for stretch in stretches) == pytest.approx(70, abs=0.2)
    assert segments(loudness([silence(10)])) == []
    assert segments(loudness([])) == []


def test_films_are_cut_into_shots(tmp_path: Path) -> None:
    write_film(tmp_path / "a.mp4", [(200, 30, 30), (30, 30, 200), (30, 160, 30)])
    root, *shots = items(tmp_path / "a.mp4")
    assert [(shot.locator.start, shot.locator.end) for shot in shots] == [
        pytest.approx((0, 2), abs=0.11), pytest.approx((2, 4), abs=0.11), pytest.approx((4, 6), abs=0.21),
    ]  # fmt: skip
    colours = [np.asarray(shot.image.open())[5, 5] for shot in shots if shot.image]
    assert [int(np.argmax(colour)) for colour in colours] == [0, 2, 1]
    assert all(isinstance(shot.parts[0], Video) and shot.parent == root.id for shot in shots)
    assert [item.id for item in items(tmp_path / "a.mp4")] == [root.id, *(shot.id for shot in shots)]


def test_subtitles_beside_a_film(tmp_path: Path) -> None:
    write_film(tmp_path / "a.mp4", [(200, 30, 30), (30, 30, 200)])
    (tmp_path / "a.en.srt").write_text(
        "1\n00:00:00,500 --> 00:00:01,500\n<i>A red</i> world\n\n"
        "2\n00:00:02,200 --> 00:00:03,800\nA blue one\nat last\n"
    )
    shots = items(tmp_path / "a.mp4")[1:]
    assert [shot.text for shot in shots] == ["A red world", "A blue one at last"]


def test_subtitle_formats() -> None:
    vtt = "WEBVTT\n\nintro\n00:01.000 --> 00:02.500 align:start\nHello <b>there</b>\n"
    assert [(line.start, line.end, line.text) for line in subtitles.parse(vtt)] == [(1.0, 2.5, "Hello there")]
    ass = "[Events]\nDialogue: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,{\\i1}Good, day\\Nsir"
    assert [(line.start, line.text) for line in subtitles.parse(ass)] == [(1.0, "Good, day sir")]


def test_one_frame_and_long_shots() -> None:
    grey = np.full((18, 32, 3), 0.5, np.float32)
    assert [(shot.start, shot.end) for shot in find_shots([Look(0.0, grey)], 0.04)] == [(0.0, 0.04)]
    still = [Look(second / 2, grey) for second in range(100)]
    assert [round(shot.end - shot.start, 1) for shot in find_shots(still, 50.0)] == [16.7, 16.7, 16.7]


def test_damaged_and_dishonest_media_are_refused(tmp_path: Path) -> None:
    write_film(tmp_path / "good.mp4", [(1, 2, 3)])
    good = (tmp_path / "good.mp4").read_bytes()
    cases = {
        "cut.mp4": good[: len(good) // 2],
        "list.mp4": b"ffconcat version 1.0\nfile 'good.mp4'\n",
        "list.m3u8": b"#EXTM3U\n#EXTINF:10,\ngood.mp4\n",
        "head.wav": b"RIFF\xff\xff\xff\xffWAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00",
        "zeros.mp4": b"\x00\x00\x00\x18ftypisom" + b"\x00" * 4000,
        "ogg.ogg": b"OggS" + bytes(range(256)) * 8,
    }
    for name, content in cases.items():
        path = tmp_path / name
        path.write_bytes(content)
        file = source_file(str(path), name)
        if file.media_type.startswith("text/"):
            continue  # told to be text, so it is never opened as media
        with pytest.raises(ReadError):
            list(read(file, QUIET))


def test_playlists_named_as_films_are_not_followed(tmp_path: Path) -> None:
    from bowerbird.readers.media import opened

    write_film(tmp_path / "good.mp4", [(1, 2, 3)])
    (tmp_path / "list.ffconcat").write_text("ffconcat version 1.0\nfile 'good.mp4'\n")
    with pytest.raises(ReadError), opened(str(tmp_path / "list.ffconcat"), "list"):
        pass


def test_known_cuts_are_found() -> None:
    path = shared("video/moments") / "album3.mp4"
    starts = [item.locator.start for item in items(path) if item.kind == "shot"]
    assert len(starts) == 36


def test_spoken_words_are_transcribed() -> None:
    if not speech_available():
        pytest.skip("needs pip install 'bowerbird[speech]'")
    spoken = shared("multimodal/tuxpaint-stamps") / "spoken"
    for name, word in (
        ("animals_mammals_hippopotamus", "hippopotamus"),
        ("animals_insects_grasshopper", "grasshopper"),
    ):
        document, segment = items(spoken / f"{name}.en.ogg", ReadOptions(speech=True))
        (said,) = (part for part in segment.parts if isinstance(part, Text))
        assert (document.kind, segment.kind, said.role) == ("document", "segment", "transcript")
        assert word in said.text.lower()


def test_a_speech_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    if not speech_available("any"):
        pytest.skip("needs pip install 'bowerbird[speech]'")
    write_sound(tmp_path / "tone.wav", tone(1.0), "pcm_s16le")
    for model in ("no-such-model", str(tmp_path / "absent")):
        with pytest.raises(ReadError, match=f"speech model '{model}' cannot be loaded: .*--speech-model") as refused:
            items(tmp_path / "tone.wav", ReadOptions(speech_model=model))
        assert "\n" not in str(refused.value)


def test_tags_that_are_not_utf8_are_read_as_far_as_they_go(tmp_path: Path) -> None:
    write_sound(tmp_path / "a.wav", tone(6), "pcm_s16le", title="Grosse Fuge")
    content = (tmp_path / "a.wav").read_bytes()
    assert b"Grosse Fuge" in content
    (tmp_path / "a.wav").write_bytes(content.replace(b"Grosse Fuge", "Große  Fuge".encode("latin-1")))
    assert items(tmp_path / "a.wav")[0].title == "Gro\ufffde Fuge"
    assert len(decode(Audio(str(tmp_path / "a.wav"), 0, 2), 16_000)) == 32_000


def test_films_and_recordings_give_signs_of_life_before_their_first_item(tmp_path: Path) -> None:
    write_film(tmp_path / "a.mp4", [(255, 0, 0), (0, 0, 255)], seconds=4.0)
    write_sound(tmp_path / "a.wav", tone(6), "pcm_s16le")
    for name in ("a.mp4", "a.wav"):
        beats: list[None] = []
        options = ReadOptions(speech=False, beat=lambda beats=beats: beats.append(None))
        next(iter(read(source_file(str(tmp_path / name), name), options)))
        assert len(beats) > 5


def test_long_speech_is_cut_at_its_pauses() -> None:
    samples = np.concatenate([tone(5), silence(1), tone(5), silence(1), tone(2)])
    found = list(stretches((samples[at : at + 999] for at in range(0, len(samples), 999)), 8.0, 4.0))
    assert np.array_equal(np.concatenate([part for _, part in found]), samples)
    assert [start for start, _ in found] == [0, pytest.approx(5.5, abs=0.5), pytest.approx(11.5, abs=0.5)]
