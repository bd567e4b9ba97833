"""The mood of a text is read from words it was not tuned on, denied or not, in English and Chinese."""

from __future__ import annotations

import pytest

from huabi.data.world.scene import MOODS
from huabi.errors import RequestError
from huabi.mood import mood_name, mood_of

ENGLISH = [  # written for this test alone; no word was added for their sake
    ("The lake lay without a ripple and nothing hurried us.", "calm"),
    ("She poured the tea slowly and listened to the soft evening breeze.", "calm"),
    ("After the long day it was a relief to rest in the cool shade.", "calm"),
    ("A serene garden where an old monk meditates.", "calm"),
    ("The baby fell asleep to a gentle lullaby.", "calm"),
    ("We got the house! I could sing all day long!", "joyful"),
    ("The puppy came bouncing over the grass, tail wagging with delight.", "joyful"),
    ("Everyone laughed until their bellies ached.", "joyful"),
    ("What a wonderful sunny morning, I feel so lucky.", "joyful"),
    ("Our team won and we are thrilled.", "joyful"),
    ("He kept her letters in a box and wept over them at night.", "sad"),
    ("My grandmother died in March and the house is empty now.", "sad"),
    ("I miss you more than words can say.", "sad"),
    ("The old dog waited at the station for a master who would never come back; it broke my heart.", "sad"),
    ("Lonely, in the rain, she said goodbye.", "sad"),
    ("How dare you lie to my face!", "angry"),
    ("He slammed his fist on the table and shouted at the waiter.", "angry"),
    ("I am sick of this injustice and I hate every minute of it.", "angry"),
    ("Her eyes blazed with fury.", "angry"),
    ("They stole our land and we will have our revenge.", "angry"),
    ("Nobody knows who lit the candle in the tower.", "mysterious"),
    ("Strange symbols covered the walls of the hidden cave.", "mysterious"),
    ("A hooded figure vanished into the fog.", "mysterious"),
    ("The map hinted at a secret beneath the ruins.", "mysterious"),
    ("Something whispered behind the attic door at midnight.", "mysterious"),
    ("Fireworks over the square, champagne in every hand.", "festive"),
    ("Grandma turns ninety: balloons, cake and the whole family!", "festive"),
    ("The parade passed with drums and trumpets.", "festive"),
    ("Merry Christmas and a happy New Year to all of you!", "festive"),
    ("Red lanterns hang above the street for the wedding banquet.", "festive"),
]
CHINESE = [
    ("湖面没有一丝波纹，我们慢慢地划着船。", "calm"),
    ("午后泡一壶茶，静静地看书。", "calm"),
    ("微风轻轻吹过竹林，心里很踏实。", "calm"),
    ("婴儿在摇篮里睡着了。", "calm"),
    ("老人在河边悠闲地钓鱼。", "calm"),
    ("我考上大学了，太好了！", "joyful"),
    ("小狗摇着尾巴，高兴得满地打滚。", "joyful"),
    ("孩子们在草地上追逐，笑声不断。", "joyful"),
    ("今天阳光灿烂，心情特别愉快。", "joyful"),
    ("和老朋友重逢，大家都乐开了花。", "joyful"),
    ("外婆去世以后，老屋再也没有人了。", "sad"),
    ("她望着他远去的背影，泪水模糊了双眼。", "sad"),
    ("一个人过年，心里说不出的孤独。", "sad"),
    ("秋风里落叶满地，勾起一片乡愁。", "sad"),
    ("他没能见到母亲最后一面，后悔了一辈子。", "sad"),
    ("你凭什么骗我！", "angry"),
    ("他气得摔门而去。", "angry"),
    ("老板又拖欠工资，工人们忍无可忍。", "angry"),
    ("他瞪着眼睛，握紧了拳头。", "angry"),
    ("这样欺负人，简直岂有此理！", "angry"),
    ("没人知道那扇门后面是什么。", "mysterious"),
    ("石碑上刻着看不懂的符文。", "mysterious"),
    ("深夜里，一个黑影在古堡的走廊一闪而过。", "mysterious"),
    ("传说这片迷雾笼罩的森林会让人消失。", "mysterious"),
    ("他收到一封没有署名的密码信。", "mysterious"),
    ("除夕夜，全家围在一起吃年夜饭。", "festive"),
    ("锣鼓一响，舞狮队就上街了。", "festive"),
    ("祝你生日快乐，大家来吃蛋糕！", "festive"),
    ("家家户户贴春联，放鞭炮。", "festive"),
    ("婚礼上宾客举杯，祝贺新人。", "festive"),
]


@pytest.mark.parametrize("sentences", [ENGLISH, CHINESE], ids=["english", "chinese"])
def test_four_of_five_sentences_are_read_rightly(sentences: list[tuple[str, str]]) -> None:
    shares = [(text, mood, mood_of(text)) for text, mood in sentences]
    wrong = [(text, mood, found) for text, mood, found in shares if max(found, key=found.__getitem__) != mood]
    assert len(wrong) <= 6, wrong


@pytest.mark.parametrize(
    ("text", "never"),
    [
        ("I am not sad.", "sad"),
        ("We weren't angry at all", "angry"),
        ("a place without any mystery", "mysterious"),
        ("她并不悲伤", "sad"),
        ("他一点也不生气", "angry"),
        ("这里没有喜庆的气氛", "festive"),
    ],
)
def test_what_is_denied_is_not_meant(text: str, never: str) -> None:
    shares = mood_of(text)
    assert shares[never] == min(shares.values())
    assert shares[never] < max(shares.values())


PLAIN = [  # a character or a word in them speaks of a mood, they do not
    ("今天天气很好，我们去散步", {"angry", "sad"}),
    ("蓝色的天空下有一座房子", {"sad"}),
    ("别人的笑声传到门口", {"sad", "angry"}),
    ("未来充满希望", {"sad"}),
    ("节日的气氛", {"angry"}),
    ("空气里有一股香气", {"sad", "angry"}),
    ("他每天早上跑步，冷静地工作", {"sad", "angry"}),
    ("The house on the left has a blue roof", {"sad"}),
    ("We are still on our way to the party", {"sad", "angry"}),
]


@pytest.mark.parametrize(("text", "never"), PLAIN)
def test_common_words_are_not_taken_apart(text: str, never: set[str]) -> None:
    shares = mood_of(text)
    assert all(shares[mood] == min(shares.values()) for mood in never)


@pytest.mark.parametrize(
    ("text", "mood"),
    [
        (
            "外婆家的院子里有一棵老树。小时候，每到夏天，我们就在树下乘凉，听她讲故事。后来外婆去世了，院子空荡荡的，"
            "只剩下落叶。每次路过那里，我都忍不住流泪，想念她的声音。天气好的时候，我还会想起她坐在门口的样子。",
            "sad",
        ),
        (
            "街上张灯结彩，家家户户门前挂起了灯笼。孩子们放鞭炮，大人们忙着准备年夜饭。舞狮的队伍敲锣打鼓地走过，"
            "空气里都是饺子的香气。今天是除夕，大家聚在一起庆祝新年。",
            "festive",
        ),
        (
            "The letter had no stamp and no name. At midnight a hooded stranger left it under the door of the old "
            "tower, and by the morning his footprints had vanished. Nobody knew the symbols on the seal, although the "
            "weather was clear and everyone in the village had been awake. Only the owl seemed to guard the secret.",
            "mysterious",
        ),
    ],
)
def test_long_texts_are_read_as_a_whole(text: str, mood: str) -> None:
    assert mood_name(text) == mood


def test_a_comma_ends_what_is_denied_and_some_words_deny_nothing() -> None:
    assert mood_name("No, I am sad") == mood_name("He could not only cry") == mood_name("他忍不住哭了") == "sad"
    assert mood_name("I was happy at first, but then I felt sad") == "sad"


def test_emoji_speak_in_any_language() -> None:
    assert [mood_name(sign) for sign in "🎉😡😭🔮😊🧘"] == ["festive", "angry", "sad", "mysterious", "joyful", "calm"]


@pytest.mark.parametrize("text", ["", "   ", "table 42", "\x00", "桌子", "Ω≈ç√", "a" * 100_000])
def test_a_text_that_says_nothing_has_even_shares_and_no_name(text: str) -> None:
    assert mood_of(text) == pytest.approx(dict.fromkeys(MOODS, 1 / len(MOODS)))
    with pytest.raises(RequestError, match="no mood can be told.*name one: calm"):
        mood_name(text)


def test_shares_sum_to_one_however_long_the_text_is() -> None:
    long = mood_of("The sad song went on. " * 4000)
    assert sum(long.values()) == pytest.approx(1)
    assert long["sad"] > mood_of("a sad and joyful song")["sad"]
    assert set(long) == set(MOODS)
