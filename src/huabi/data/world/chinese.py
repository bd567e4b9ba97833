"""Captions in Chinese."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from . import words
from .dice import Dice
from .telling import Link, Mention, Told, pick

COMMA, COLON = "\uff0c", "\uff1a"  # the wide ones, which look like the narrow ones
GROWING, STANDING, PARKED = ("tree", "pine", "bamboo", "mushroom"), ("house", "pagoda", "lamp"), ("car",)
SKIES = ("天上", "天空中", "空中")
WATERS = {"lake": ("湖面上", "湖里"), "seaside": ("海面上", "海里")}
SEASON_DAYS = {"spring": "春日", "summer": "夏日", "autumn": "秋日", "winter": "冬日"}
WET = {"rain": "雨", "snow": "雪"}
CLAUSES = frozenset(clause for clauses in words.WEATHERS_ZH.values() for clause in clauses)
CLOTHES = "红黄绿蓝紫黑白灰"  # colours that clothes take without 色
BUILDS = {"small": "小个子", "large": "大个子"}  # a 大人 is no large person, but an adult


class Noun(NamedTuple):
    """A mention in words: with its number, and without."""

    full: str
    bare: str
    mention: Mention


def numeral(count: int) -> str:
    """A number from 1 to 99 before a measure word: 两 for two, but 十二 and 二十."""
    if count < 10:
        return words.DIGITS_ZH[count]
    tens, ones = (digit.replace("两", "二") for digit in (words.DIGITS_ZH[count // 10], words.DIGITS_ZH[count % 10]))
    return (tens if count > 19 else "") + "十" + (ones if count % 10 else "")


class Chinese:
    """Puts into words what is told; what has been said is taken out of `frame` and `style`."""

    def __init__(self, told: Told, dice: Dice) -> None:
        self.told, self.dice = told, dice
        self.frame, self.style = dict(told.frame), told.style
        self.framed = False  # the sentence has begun with the picture: 这幅油画里

    def caption(self) -> str:
        """The caption."""
        if self.told.length == "phrase":
            return self._phrase()
        if self.told.length == "sentence":
            return self._sentence()
        return self._story()

    # Nouns.

    def _named(self, mention: Mention) -> Noun:
        """The mention's noun with its measure word, size and colour."""
        dice, count = self.dice, mention.count
        nouns = words.NOUNS_ZH[mention.kind]
        noun, measures = nouns[0] if mention.size else pick(nouns, dice)  # 大房子, hardly 大房屋
        if mention.broadleaf:
            noun, measures = words.OTHER_TREE_ZH
        bare = self._person(mention) if mention.kind == "person" else self._described(mention, noun)
        measure = pick(measures, dice)
        if count == 1:
            heavenly = mention.kind in ("sun", "moon") and not mention.colour and not mention.size
            return Noun(bare if heavenly else f"一{measure}{bare}", bare, mention)
        if mention.counted and count < 100:
            return Noun(numeral(count) + measure + bare, bare, mention)
        if count < 3:
            return Noun(bare, bare, mention)
        some = [f"几{measure}", "一些" if count < 6 else "许多"]
        return Noun(dice.choice(some) + bare, bare, mention)

    def _described(self, mention: Mention, noun: str) -> str:
        """The noun with its size and colour: 小黑猫, 红色的大房子, 小小的黄色长椅."""
        dice, size = self.dice, mention.size
        short = mention.colour and words.SHORT_COLOURS[mention.colour]
        known = words.SHORT.get(noun, "")
        short = "橘" if short == "橙" and "橘" in known else short
        if short and short in known and dice.chance(0.6) and not (size == "large" and short in "红蓝绿紫粉"):
            return (pick(words.SIZES_ZH[size], dice) if size else "") + short + noun
        colour = pick(words.COLOURS_ZH[mention.colour], dice) if mention.colour else ""
        word = ""
        if size:  # the doubled word reads well before nouns of two syllables only
            word = words.SIZES_ZH[size][0] if len(noun) == 1 else pick(words.SIZES_ZH[size], dice)
        if not colour:
            return word + noun
        if len(word) == 1:
            return colour + "的" + word + noun
        return word + colour + ("的" if len(noun) == 1 or (not word and dice.chance(0.5)) else "") + noun

    def _person(self, mention: Mention) -> str:
        """A person, whose colour is that of the clothes."""
        colour = words.SHORT_COLOURS[mention.colour] if mention.colour else ""
        colour = colour if colour in CLOTHES else colour + "色"
        wearing = f"穿{colour}衣服的" if colour else ""
        return wearing + BUILDS.get(mention.size or "", "人")

    def _listed(self, nouns: Sequence[Noun]) -> str:
        items = [noun.full for noun in nouns]
        if len(items) == 1:
            return items[0]
        return (
            "、".join(items[:-1])
            + self.dice.choice(("和", "和", f"{COMMA}还有" if len(items) > 2 else "和"))
            + items[-1]
        )

    # Circumstances.

    def _mood(self) -> str:
        return pick(words.MOODS_ZH[self.frame.pop("mood")], self.dice)

    def _mild(self) -> bool:
        """Whether there is a mood that a place can have: no lake is angry."""
        return self.frame.get("mood", "angry") != "angry"

    def _when(self) -> str:
        """Season, weather and time in one, as far as they are in the frame and go together: 秋天的一个雨夜."""
        frame, dice = self.frame, self.dice
        season = frame.pop("season", "")
        if "time" not in frame:
            return self._season(season) if season else ""
        time = frame.pop("time")
        joined = frame.get("weather") if dice.chance(0.55) else None
        if not joined:
            return self._season_time(season, time)
        weather = frame.pop("weather")
        if time == "night" and weather in WET and dice.chance(0.6):
            night = WET[weather] + "夜"
            if not season:
                return night + ("里" if dice.chance(0.6) else "")
            return pick(words.SEASONS_ZH[season], dice) + "的一个" + night
        when = pick(words.WEATHER_ADJECTIVES_ZH[weather], dice) + "的" + self._hour(time)
        return pick(words.SEASONS_ZH[season], dice) + f"{COMMA}一个{when}" if season else when

    def _hour(self, time: str) -> str:
        """A time that takes an adjective."""
        return self.dice.choice({"night": ("夜晚", "深夜")}.get(time, words.TIMES_ZH[time][:2]))

    def _season_time(self, season: str, time: str) -> str:
        dice = self.dice
        if not season:
            return pick(words.TIMES_ZH[time], dice)
        if dice.chance(0.4):
            day = SEASON_DAYS[season]
            return day[0] + dice.choice(("夜里", "夜")) if time == "night" else day + self._hour(time)
        return pick(words.SEASONS_ZH[season], dice) + "的" + pick(words.TIMES_ZH[time], dice)

    def _season(self, season: str) -> str:
        weather = self.frame.get("weather")
        if weather and weather != "clear" and self.dice.chance(0.3):
            return pick(words.SEASONS_ZH[season], self.dice) + "的" + self._amid()
        return pick(words.SEASONS_ZH[season], self.dice)

    def _amid(self) -> str:
        """The weather as where something is: 雨中."""
        weather = self.frame.pop("weather")
        return pick(words.WEATHER_PLACES_ZH[weather], self.dice)

    def _place(self) -> str:
        """The setting as where something is: 宁静的村子里."""
        place = pick(words.PLACES_ZH[self.frame.pop("setting")], self.dice)
        return (self._mood() + "的" if self._mild() and self.dice.chance(0.3) else "") + place

    def _view(self) -> str:
        """The setting as what the picture shows."""
        view = pick(words.VIEWS_ZH[self.frame.pop("setting")], self.dice)
        return (self._mood() + "的" if self._mild() and self.dice.chance(0.4) else "") + view

    def _weather(self) -> str:
        """The weather as a clause."""
        weather = self.frame.pop("weather")
        unsure = weather == "clear" and self.told.clouds
        return "天气晴朗" if unsure else pick(words.WEATHERS_ZH[weather], self.dice)

    def _openings(self) -> list[str]:
        """Time, season and weather as clauses that come first."""
        out = [self._when()] if "time" in self.frame or "season" in self.frame else []
        if "weather" in self.frame:
            unsure = self.frame["weather"] == "clear" and self.told.clouds
            out.append(self._amid() if self.dice.chance(0.35) and not unsure else self._weather())
        return out

    def _picture(self) -> str:
        """What the picture is: 宁静的水墨画."""
        what = pick(words.STYLES_ZH[self.style], self.dice) if self.style else "画"
        self.style = None
        return (self._mood() + "的" if "mood" in self.frame and self.dice.chance(0.4) else "") + what

    # Clauses.

    def _related(self, link: Link, phrase: bool = False) -> str:
        """A relation as a clause, or as a noun phrase: 篱笆后面有一只黑猫, 篱笆后面的一只黑猫."""
        dice = self.dice
        here, there = words.RELATIONS_ZH[link.name]
        subject, target = self._named(link.subject), self._named(link.target)
        side = here[0] if phrase else pick(here, dice)
        if there and dice.chance(0.3):
            subject, target, side = target, subject, there[0] if phrase else pick(there, dice)
        ground = target.bare if target.mention.count == 1 else target.full
        joint = (
            "的" if len(side) > 1 and side not in ("上面", "里面") and "的" not in ground and dice.chance(0.35) else ""
        )
        if phrase:
            return f"{ground}{side}的{subject.bare if subject.mention.count == 1 else subject.full}"
        if dice.chance(0.3):
            sits = "坐" if subject.mention.kind == "person" and link.name in ("on", "inside") else ""
            return f"{subject.full}{sits}在{target.full if dice.chance(0.3) else ground}{joint}{side}"
        return f"{ground}{joint}{side}{dice.choice(('有', '有', '是'))}{subject.full}"

    def _there(self, nouns: Sequence[Noun], place: str) -> str:
        """That there are these things: 湖边停着一辆汽车."""
        dice, told = self.dice, self.told
        listed = self._listed(nouns)
        mention = nouns[0].mention
        single, kind = len(nouns) == 1, mention.kind
        if single and (mention.aloft or kind in ("sun", "moon", "cloud")) and dice.chance(0.6):
            sky = dice.choice(SKIES[:2] if kind in ("sun", "moon", "cloud") else SKIES)
            verb = {"sun": "挂着", "moon": "挂着", "cloud": "飘着", "balloon": "飘着", "kite": "飘着"}.get(kind, "飞着")
            return f"{place}{COMMA if place else ''}{sky}{verb}{listed}"
        if single and told.water and kind in ("boat", "fish") and dice.chance(0.7):
            surface, inside = WATERS[told.water]
            water = f"{surface}漂着{listed}" if kind == "boat" else f"{inside}游着{listed}"
            return water if "setting" in told.frame else listed
        if not place:
            return f"{'有' if self.framed else dice.choice(('画面上有', '画中有', '画里有', '这里有'))}{listed}"
        verb = "有"
        if single and dice.chance(0.6):
            verb = "长着" if kind in GROWING else "立着" if kind in STANDING else "停着" if kind in PARKED else "有"
            verb = "开着" if kind == "flower" else verb
        return f"{place}{verb}{listed}"

    def _clauses(self, link: Link | None, mentions: Sequence[Mention]) -> str:
        """A sentence without its full stop that says all that is in the frame but the mood."""
        dice = self.dice
        nouns = [self._named(mention) for mention in mentions]
        parts = self._openings()
        place = self._place() if "setting" in self.frame else ""
        if link:
            parts += [place] if place else []
            parts.append(self._related(link))
            if nouns:
                parts.append(dice.choice(("还有", "另外还有")) + self._listed(nouns))
        elif nouns:
            parts.append(self._there(nouns, place))
        elif place:
            parts.append(place)
        return COMMA.join(parts)

    def _feeling(self) -> str:
        """The mood as a clause."""
        return pick(words.MOOD_CLAUSES_ZH[self.frame.pop("mood")], self.dice)

    # Captions.

    def _phrase(self) -> str:
        """A few words, as people type them."""
        dice, told = self.dice, self.told
        before = self._openings()
        nouns = [self._named(mention) for mention in told.mentions]
        if told.links:
            head = self._related(told.links[0], phrase=True)
        elif len(nouns) == 1:
            head = nouns[0].bare if nouns[0].mention.count == 1 and dice.chance(0.6) else nouns[0].full
        else:
            head = self._listed(nouns) if nouns else self._view()
        if "setting" in self.frame:
            before.append(self._place())
        text = self._modified(before, head)
        if "mood" in self.frame:
            mood = self.frame["mood"]
            text += COMMA + (self._feeling() if dice.chance(0.5) or mood == "angry" else self._mood() + "的气氛")
        if not self.style:
            return text
        picture = self._picture()
        return dice.choice((f"{picture}{COLON}{text}", f"{text}{COMMA}{picture}", f"一幅{picture}{COMMA}{text}"))

    def _modified(self, before: Sequence[str], head: str) -> str:
        """What comes before a noun phrase, joined to it: one with 的, more of them with commas."""
        if not before:
            return head
        first = before[0]
        joins = COMMA not in first and not first.endswith("白天") and first not in CLAUSES and not self.told.links
        joins = joins and ("的" not in head or self.dice.chance(0.2))
        if len(before) == 1 and joins and self.dice.chance(0.75):
            return f"{first}的{head}"
        return COMMA.join((*before, head))

    def _sentence(self) -> str:
        """One plain sentence."""
        dice, told = self.dice, self.told
        front = ""
        if self.style and dice.chance(0.6):
            picture = self._picture()
            front = dice.choice((f"{picture}{COLON}", f"一幅{picture}{COLON}", f"这幅{picture}里{COMMA}"))
            self.framed = True
        if not told.links and not told.mentions:
            text = COMMA.join((*self._openings(), "眼前是" + self._view()))
        else:
            text = self._clauses(told.links[0] if told.links else None, told.mentions)
        if "mood" in self.frame:
            text += COMMA + self._feeling()
        if self.style:
            text += COMMA + self._picture() + dice.choice(("风格", ""))
        return front + text + "。"

    def _story(self) -> str:
        """Two to five short sentences."""
        dice, told = self.dice, self.told
        sentences, rest = [], []
        if self.style and dice.chance(0.6):
            sentences.append("这是一幅" + self._picture())
        links, mentions = list(told.links), list(told.mentions)
        first = mentions[: dice.integer(1, 2)]
        if links and (not first or dice.chance(0.4)):
            first = []
            sentences.append(self._clauses(links.pop(0), []))
        elif first:
            sentences.append(self._clauses(None, first))
        else:
            sentences.append(COMMA.join((*self._openings(), "眼前是" + self._view())))
        rest += [self._related(link) for link in links]
        others = [self._named(mention) for mention in mentions[len(first) :]]
        if others:
            rest.append(dice.choice(("还有", "画里还有", "另外还有")) + self._listed(others))
        rest = dice.shuffled(rest)
        if "mood" in self.frame:
            feeling = self._feeling()
            rest.insert(dice.integer(0, len(rest)), feeling)
        if self.style:
            rest.append("画风是" + self._picture())
        return "。".join(sentences + rest) + "。"
