"""Pictures say where they come from, whoever changed one is found out, and the label hangs on nothing else."""

from __future__ import annotations

import datetime
import io
import json
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from conftest import TINY, refused, write_pictures
from huabi import api
from huabi.classic.enhance import Enhancer
from huabi.classic.painter import Painter
from huabi.drawing import draw
from huabi.errors import RequestError
from huabi.index import home
from huabi.pictures import PictureError, encode_picture, open_picture, read_recipe, read_xmp, to_tensor
from huabi.provenance import filters, visible, watermark
from huabi.provenance.label import AIGC_FIELDS, aigc, packet, read_packet, source_type
from huabi.provenance.nudity import Nudity
from huabi.provenance.publish import identity, preview, publish, published, recast
from huabi.provenance.settings import Settings
from huabi.provenance.verify import verify
from huabi.provenance.words import Words
from huabi.requests import Enhance, Generate, Imagine, Paint, Vary

MARK = b"\x01\xfe\x80\x7f"


def scene(width: int = 160, height: int = 144) -> Image.Image:
    """A smooth picture with an edge, as a photograph has them."""
    y, x = np.mgrid[:height, :width]
    waves = [128 + 70 * np.sin(x / a + y / b) + 40 * (x > y) for a, b in ((9, 17), (23, 11), (31, 40))]
    return Image.fromarray(np.stack(waves, 2).clip(0, 255).astype(np.uint8))


RECIPE = {"huabi": "0.1.0", "task": "imagine", "request": {"prompt": "猫", "seed": 1}, "model": "ab", "family": "gan"}


def recipe_of(image: Image.Image) -> dict[str, Any]:
    from huabi.provenance.publish import pixels

    return RECIPE | {"pixels": pixels(image)}


@pytest.fixture
def settle() -> Any:
    """Writes the user's settings."""
    path = home() / "provenance.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    yield lambda text: path.write_text(text, encoding="utf-8")
    path.unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("recipe", "term"),
    [
        ({"model": "ab", "task": "generate"}, "trainedAlgorithmicMedia"),
        ({"model": "ab", "task": "edit"}, "compositeWithTrainedAlgorithmicMedia"),
        ({"model": "", "task": "paint"}, "algorithmicMedia"),
    ],
)
def test_the_term_follows_from_what_drew(recipe: dict, term: str) -> None:
    assert source_type(recipe) == term


def test_packets_are_read_back_and_so_are_those_of_others() -> None:
    china = aigc("某公司 <&>", "1234", "ff")
    label = read_packet(packet("trainedAlgorithmicMedia", china))
    assert label == ("trainedAlgorithmicMedia", china)
    assert tuple(china) == AIGC_FIELDS
    assert china["Label"] == "1"
    foreign = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:T="http://www.tc260.org.cn/ns/AIGC/1.0/"'
        ' e:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture" T:AIGC="no JSON"/>'
        "</rdf:RDF></x:xmpmeta>"
    )
    assert read_packet(foreign) == ("digitalCapture", {})
    bomb = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]><a>&c;</a>'
    for broken in (None, "", b"\xff\0", "<a", bomb, "<a/>" * (1 << 19)):
        assert read_packet(broken) == (None, None)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
@pytest.mark.parametrize("with_recipe", [True, False])
def test_the_label_hangs_on_nothing(suffix: str, with_recipe: bool, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    publish(scene(), path, recipe_of(scene()), with_recipe)
    term = b"http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    assert term in path.read_bytes()  # plain text: any tool finds it, whatever it knows of XMP
    assert read_packet(read_xmp(path)).source_type == "trainedAlgorithmicMedia"
    recipe = read_recipe(path)
    assert (recipe is not None) == with_recipe
    facts = verify(path)
    assert facts["holds"] == with_recipe
    assert facts["watermark"]["id"] == identity(recipe_of(scene()))[:4].hex()


def test_formats_without_a_place_are_refused_before_anything_is_drawn(tmp_path: Path, settle: Any) -> None:
    with pytest.raises(PictureError, match="no place for the AI-content label"):
        publish(scene(), tmp_path / "a.bmp", recipe_of(scene()), with_recipe=False)
    settle("label = false\nwatermark = false")
    publish(scene(), tmp_path / "a.bmp", recipe_of(scene()), with_recipe=False)
    assert open_picture(tmp_path / "a.bmp").tobytes() == scene().tobytes()


def test_what_was_changed_is_found_out(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    publish(scene(), path, recipe_of(scene()))
    assert verify(path)["holds"]
    with Image.open(path) as image:
        shown, chunks = image.convert("RGB"), dict(image.text)

    def with_chunks(picture: Image.Image, texts: dict[str, str]) -> Path:
        info = PngInfo()
        for name, text in texts.items():
            info.add_itxt(name, text)
        picture.save(tmp_path / "b.png", pnginfo=info)
        return tmp_path / "b.png"

    assert verify(with_chunks(shown, chunks))["holds"]  # packed anew, the same picture
    painted = shown.copy()
    painted.putpixel((3, 3), (1, 2, 3))
    assert verify(with_chunks(painted, chunks))["recipe"]["state"] == "changed"
    forged = json.loads(chunks["huabi"]) | {"request": {"prompt": "a dog"}}
    facts = verify(with_chunks(shown, chunks | {"huabi": json.dumps(forged)}))
    assert facts["watermark"]["state"] == "differs"
    assert not facts["holds"]
    bare = verify(with_chunks(shown, {}))
    assert (bare["holds"], bare["problems"], bare["watermark"]["state"]) == (False, [], "present")


def test_marks_are_made_again_from_the_recipe(tmp_path: Path, settle: Any) -> None:
    settle('visible = "zh"')
    publish(scene(), tmp_path / "a.png", recipe_of(scene()))
    settle("watermark = false")
    recipe = read_recipe(tmp_path / "a.png")
    assert recipe is not None
    assert recipe["marks"] == {"visible": "zh", "watermark": 1}
    publish(scene(), tmp_path / "b.png", recipe)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_china_s_label_names_the_recipe(tmp_path: Path, settle: Any) -> None:
    settle('aigc = "某公司"')
    publish(scene(), tmp_path / "a.jpg", recipe_of(scene()), with_recipe=False)
    china = read_packet(read_xmp(tmp_path / "a.jpg")).aigc
    assert china is not None
    assert (china["Label"], china["ContentProducer"]) == ("1", "某公司")
    assert china["ProduceID"] == identity(recipe_of(scene())).hex()
    facts = verify(tmp_path / "a.jpg")
    assert (facts["aigc"]["state"], facts["aigc"]["producer"]) == ("present", "某公司")


@pytest.mark.parametrize("tongue", ["en", "zh"])
@pytest.mark.parametrize(("width", "height"), [(64, 64), (300, 200), (200, 900)])
def test_words_are_high_enough_and_in_the_corner(tongue: str, width: int, height: int) -> None:
    for mode, ground in (("RGB", (90, 90, 90)), ("L", 90), ("RGBA", (90, 90, 90, 255))):
        before = Image.new(mode, (width, height), ground)
        after = np.asarray(visible.write(before, tongue).convert("L"), int)
        bright = np.argwhere(after > 150)
        high, wide = bright.max(0) - bright.min(0) + 1
        assert high >= 0.05 * min(width, height) - 1
        assert wide > 2 * high
        assert bright.min(0)[0] > height / 2
        assert (after[: height // 2] == 90).all()


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_the_watermark_comes_back_and_is_hardly_there(mode: str) -> None:
    for picture in (scene(64, 64).convert(mode), scene(90, 101).convert(mode)):
        marked = watermark.lay(picture, MARK)
        assert marked.mode == mode
        assert watermark.read(marked) == MARK
        assert watermark.found(marked, MARK)
        assert not watermark.found(marked, b"abcd")
        assert watermark.read(picture) is None
        error = (np.asarray(picture, float) - np.asarray(marked, float)) ** 2
        assert 10 * np.log10(255**2 / error.mean()) > 40
    with pytest.raises(ValueError):
        watermark.lay(scene(63, 90), MARK)


@pytest.mark.parametrize("side", [64, 192])
def test_the_watermark_outlives_jpeg_half_size_and_a_crop(side: int) -> None:
    marked = watermark.lay(scene(side, side), MARK)
    data = io.BytesIO()
    marked.save(data, "JPEG", quality=75)
    assert watermark.read(Image.open(data)) == MARK
    assert watermark.read(marked.resize((side // 2, side // 2), Image.Resampling.LANCZOS)) == MARK
    cut = round(0.05 * side)
    assert watermark.read(marked.crop((1, cut - 1, side - cut + 1, side - 1))) == MARK


def test_where_no_mark_holds_none_is_claimed(tmp_path: Path) -> None:
    for picture in (Image.new("RGB", (144, 144), "white"), scene(40, 40)):
        publish(picture, tmp_path / "a.png", recipe_of(picture))
        facts = verify(tmp_path / "a.png")
        assert facts["holds"], facts
        assert facts["watermark"]["state"] in ("absent", "matches")


def certificates(folder: Path) -> Path:
    """A root, a certificate that it vouches for, and its key, as PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [
        x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Studio"), x509.NameAttribute(NameOID.COMMON_NAME, n)])
        for n in ("root", "leaf")
    ]
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    made = []
    for name, key, ca in zip(names, keys, (True, False)):
        usage = x509.KeyUsage(not ca, False, False, False, False, ca, ca, False, False)
        builder = x509.CertificateBuilder(names[0], name, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - day).not_valid_after(now + day)
        builder = builder.add_extension(x509.BasicConstraints(ca, None), True)
        builder = builder.add_extension(usage, True)
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[0].public_key())
        builder = builder.add_extension(issuer, False)
        if not ca:
            builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
        made.append(builder.sign(keys[0], hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    (folder / "root.pem").write_bytes(made[0])
    (folder / "chain.pem").write_bytes(made[1] + made[0])
    kind = serialization.PrivateFormat.PKCS8
    key = keys[1].private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(key)
    return folder


def tampered(data: bytes) -> bytes:
    """The file with another label, or, where checksums would tell, one more text chunk."""
    if not data.startswith(b"\x89PNG"):
        return data.replace(b"trainedAlgorithmicMedia<", b"digitalCapture.........<")
    end = data.rindex(b"IEND") - 4
    text = b"tEXtComment\0taken by me"
    return data[:end] + struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text)) + data[end:]


def test_a_signature_is_trusted_valid_or_broken(tmp_path: Path) -> None:
    pytest.importorskip("c2pa")
    places = certificates(tmp_path)
    known = Settings(certificate=places / "chain.pem", key=places / "key.pem", anchors=places / "root.pem")
    unknown = known.model_copy(update={"anchors": None})
    for kind in ("PNG", "JPEG", "WEBP"):
        data = published(scene(), kind, recipe_of(scene()), with_recipe=False, settings=known)
        path = tmp_path / f"a.{kind.lower()}"
        path.write_bytes(data)
        assert verify(path, known)["signature"]["state"] == "trusted"
        facts = verify(path, unknown)
        assert (facts["signature"]["state"], facts["signature"]["signer"], facts["holds"]) == ("valid", "Studio", True)
        path.write_bytes(tampered(data))
        facts = verify(path, known)
        assert (facts["signature"]["state"], facts["holds"]) == ("invalid", False)
    (places / "key.pem").write_text("no key")
    with pytest.raises(RequestError, match="PEM"):
        published(scene(), "PNG", recipe_of(scene()), settings=known)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("label = maybe", "cannot be read"),
        ("lable = true", "did you mean 'label'"),
        ('visible = "fr"', "visible"),
        ('key = "key.pem"', "go together"),
        ('filters = ["wrods"]', "did you mean 'words'"),
        ('certificate = "none.pem"\nkey = "none.pem"', "none.pem"),
    ],
)
def test_wrong_settings_get_one_line(text: str, says: str, settle: Any, huabi: Any, tmp_path: Path) -> None:
    settle(text)
    scene(32, 32).save(tmp_path / "photo.png")
    refused(huabi("paint", tmp_path / "photo.png", "--out", tmp_path / "a.png"), says)
    assert not (tmp_path / "a.png").exists()


class Grey:
    """A filter that lets no word of grey through, and no picture."""

    def prompt(self, text: str) -> str | None:
        return "grey is dull" if "grey" in text else None

    def picture(self, image: Image.Image) -> str | None:
        return f"{image.width} pixels of grey"


def test_filters_look_before_and_after(monkeypatch: pytest.MonkeyPatch, settle: Any) -> None:
    monkeypatch.setitem(filters.FILTERS, "grey", Grey)
    settle('filters = ["grey"]')
    with pytest.raises(RequestError, match="the picture is withheld: 24 pixels of grey"):
        list(draw(Painter(), [Paint(image=Image.new("RGB", (24, 24), "grey"))]))
    for asked in (Imagine(prompt="a grey cat"), Imagine(between=("a red cat", "a grey cat")), Generate(label="grey")):
        with pytest.raises(RequestError, match="the prompt is refused: grey is dull"):
            filters.guard().request(asked)
    filters.guard().request(Imagine(prompt="a red cat", negative="grey"))
    drawn = encode_picture(Image.new("RGB", (8, 8)), "PNG", {"request": {"prompt": "a grey cat"}})
    for asked in (Vary(image=drawn), Imagine(prompt="a cat", style="grey"), Imagine(prompt="a cat", mood="grey")):
        with pytest.raises(RequestError, match="the prompt is refused"):
            filters.guard().request(asked)
    with pytest.raises(RequestError, match="withheld"):
        preview(Image.new("RGB", (24, 24)), "imagine", trained=True)


def test_what_is_in_the_making_has_every_label(settle: Any) -> None:
    settle('visible = "zh"\naigc = "some operator"')
    data = preview(scene(96, 96), "imagine", trained=True)
    found = read_packet(read_xmp(data))
    assert found.source_type == "trainedAlgorithmicMedia"
    assert found.aigc is not None
    assert found.aigc["ContentProducer"] == "some operator"
    changed = np.abs(np.asarray(open_picture(data), int) - np.asarray(scene(96, 96), int)).max(2)
    assert changed[64:, 48:].max() > 50  # the words in the corner
    assert not changed[:48].any()


def test_nudity_is_seen_where_bodies_are_and_said_where_they_are_bare(monkeypatch: pytest.MonkeyPatch) -> None:
    person = Image.fromarray(skimage.data.astronaut())
    found = Nudity()
    seen = {one["class"]: one for one in found.seen(person)}
    left, top, width, height = seen["FACE_FEMALE"]["box"]
    assert (left < 224 < left + width, top < 120 < top + height) == (True, True)  # where her face is
    assert found.picture(person) is None
    assert found.picture(Image.new("L", (8, 8))) is None
    bare = [{"class": "BUTTOCKS_EXPOSED", "score": 0.39}, {"class": "FEET_EXPOSED", "score": 0.9}]
    monkeypatch.setattr(found, "seen", lambda image: bare)
    assert found.picture(person) is None
    bare[0]["score"] = 0.41
    assert found.picture(person) == "nudity was seen in it"


def test_a_filter_whose_extra_is_missing_is_told_of_before_anything_is_drawn(
    monkeypatch: pytest.MonkeyPatch, settle: Any, huabi: Any, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "nudenet", None)
    settle('filters = ["words", "nudity"]')
    scene(32, 32).save(tmp_path / "photo.png")
    refused(huabi("paint", tmp_path / "photo.png", "--out", tmp_path / "a.png"), "pip install 'huabi[filter]'")


@pytest.mark.parametrize("quality", [60, 95])
def test_another_format_of_any_quality_is_vouched_for(quality: int, tmp_path: Path) -> None:
    publish(scene(), tmp_path / "a.png", recipe_of(scene()))
    (tmp_path / "a.jpg").write_bytes(recast((tmp_path / "a.png").read_bytes(), "JPEG", quality=quality))
    assert verify(tmp_path / "a.jpg")["recipe"]["state"] == "unchanged"


@pytest.mark.parametrize("prompt", ["Naked CHILD", "child-porn", "a ｎａｋｅｄ　ｇｉｒｌ", "画色·情图", "gore, blood"])
def test_the_word_list_refuses(prompt: str) -> None:
    assert Words().prompt(prompt)


@pytest.mark.parametrize(
    "prompt", ["a girl in a red coat", "Gorey's house", "画一只猫", "颜色情感丰富的海", "异性交往", "路口交通"]
)
def test_the_word_list_lets_through(prompt: str) -> None:
    assert Words().prompt(prompt) is None


def test_the_user_s_own_words_count_too(settle: Any) -> None:
    settle("")
    (home() / "words.txt").write_text("purple cow\n紫牛\n", encoding="utf-8")
    try:
        assert "words.txt" in (Words().prompt("a Purple  Cow") or "")
        assert Words().prompt("一头紫牛")
        assert Words().prompt("a cow") is None
    finally:
        (home() / "words.txt").unlink()


def test_the_whole_way(huabi: Any, tmp_path: Path) -> None:
    run, made = tmp_path / "run", tmp_path / "new.png"
    api.train("vae", write_pictures(tmp_path / "p"), run, size=8, steps=1, threads=1, settings=TINY["vae"])
    assert huabi("sample", run, "--n", 1, "--out", made, "--grid", tmp_path / "grid.png").code == 0
    assert read_packet(read_xmp(tmp_path / "grid.png")).source_type == "trainedAlgorithmicMedia"
    told = huabi("verify", made)
    assert (told.code, told.err) == (0, "")
    assert "generate by vae" in told.out
    facts = json.loads(huabi("verify", made, "--json").out)
    assert facts["recipe"]["state"] == "unchanged"
    assert facts["label"]["source_type"] == "trainedAlgorithmicMedia"
    assert "to the bit" in huabi("again", made, "--out", tmp_path / "same.png").out
    assert (tmp_path / "same.png").read_bytes() == made.read_bytes()
    photo = next((tmp_path / "p" / "cat").iterdir())
    assert huabi("verify", photo).code == 1
    (tmp_path / "text.png").write_text("no picture")
    for bad in ("text.png", "none.png"):
        refused(huabi("verify", tmp_path / bad), bad)


def test_what_is_made_of_a_marked_picture_keeps_its_mark_and_holds(huabi: Any, tmp_path: Path) -> None:
    publish(scene(256, 256), tmp_path / "a.png", recipe_of(scene(256, 256)))
    mark = verify(tmp_path / "a.png")["watermark"]["id"]
    made = huabi("restore", tmp_path / "a.png", "--task", "denoise", "--method", "tv", "--strength", 0.1)
    facts = verify(made.out.strip())
    assert (facts["holds"], facts["watermark"]) == (True, {"state": "present", "id": mark})


def test_of_an_expanded_picture_what_was_there_is_left_alone(tmp_path: Path) -> None:
    wide = scene(400, 400)
    recipe = recipe_of(wide) | {"task": "edit", "request": {"expand": [120, 120, 120, 120]}}
    publish(wide, tmp_path / "a.png", recipe)
    shown = np.asarray(open_picture(tmp_path / "a.png"))
    assert np.array_equal(shown[120:280, 120:280], np.asarray(wide)[120:280, 120:280])
    found = read_recipe(tmp_path / "a.png")
    assert found is not None
    assert found["marks"].get("within", "mask") == "mask"


def test_a_painting_is_of_no_trained_model(huabi: Any, tmp_path: Path) -> None:
    scene(64, 64).save(tmp_path / "photo.png")
    assert huabi("paint", tmp_path / "photo.png", "--out", tmp_path / "a.webp", "--strokes", 20).code == 0
    facts = json.loads(huabi("verify", tmp_path / "a.webp", "--json").out)
    assert facts["label"]["source_type"] == "algorithmicMedia"
    assert facts["holds"]
    words = ["again", tmp_path / "a.webp", "--input", tmp_path / "photo.png", "--out", tmp_path / "b.webp"]
    assert huabi(*words).code == 0
    assert (tmp_path / "b.webp").read_bytes() == (tmp_path / "a.webp").read_bytes()
    assert to_tensor(open_picture(tmp_path / "a.webp")).shape == (3, 64, 64)


def test_a_picture_of_ours_that_is_made_better_stays_one_of_ours() -> None:
    made = {"task": "generate", "model": "0" * 64, "request": {"seed": 1}}
    plain, ours, twice = io.BytesIO(), published(scene(), "PNG", made), ""
    scene().save(plain, "PNG")
    kinds = []
    for data in (plain.getvalue(), ours):
        [(_, picture, recipe)] = draw(Enhancer(), [Enhance(image=data)])
        kinds.append(source_type(recipe))
        again = published(picture, "PNG", recipe)
        [(_, _, recipe)] = draw(Enhancer(), [Enhance(image=again)])
        twice = source_type(recipe)
    assert kinds == ["algorithmicallyEnhanced", "trainedAlgorithmicMedia"]
    assert twice == "trainedAlgorithmicMedia"
