"""Captions in English."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from . import words
from .dice import Dice
from .telling import Link, Mention, Told, pick

STANDING = ("tree", "pine", "bamboo", "house", "pagoda", "lamp", "person", "horse")
GROWING = ("tree", "pine", "bamboo", "flower", "mushroom")
WEARING = ("in {}", "dressed in {}", "wearing {}", "in {} clothes")


class Phrase(NamedTuple):
    """A mention in words: as something new, as something known."""

    new: str
    known: str
    plural: bool
    mention: Mention

    @property
    def be(self) -> str:
        return "are" if self.plural else "is"


def article(noun: str) -> str:
    """The noun with "a" or "an"."""
    return ("an " if noun[0] in "aeiou" else "a ") + noun


def capital(text: str) -> str:
    """The text with its first letter raised."""
    return text[0].upper() + text[1:]


class English:
    """Puts into words what is told; what has been said is taken out of `frame` and `style`."""

    def __init__(self, told: Told, dice: Dice) -> None:
        self.told, self.dice = told, dice
        self.frame, self.style = dict(told.frame), told.style

    def caption(self) -> str:
        """The caption."""
        if self.told.length == "phrase":
            return self._phrase()
        if self.told.length == "sentence":
            return self._sentence()
        return self._story()

    # Nouns.

    def _named(self, mention: Mention, alone: bool = True) -> Phrase:
        """The mention's noun with its number, size and colour."""
        dice, kind, count = self.dice, mention.kind, mention.count
        singular, plural = words.OTHER_TREE if mention.broadleaf else pick(words.NOUNS[kind], dice)
        body = self._described(mention, singular if count == 1 else plural)
        if count > 1:
            number = words.NUMBERS[count] if mention.counted and count < len(words.NUMBERS) else ""
            if number == "two" and not mention.size and dice.chance(0.12):
                return Phrase(f"a pair of {body}", f"the pair of {body}", False, mention)
            if number:
                return Phrase(f"{number} {body}", f"the {number} {body}", True, mention)
            some = ("some", "", "several", "a few" if count < 6 else "many")[: 4 if count > 2 else 2]
            new = f"{dice.choice(some)} {body}".strip()
            return Phrase(new, new if singular == plural else f"the {body}", True, mention)  # the fish would be one
        if kind in ("sun", "moon") and body == kind:
            return Phrase(f"the {body}", f"the {body}", False, mention)
        if alone and mention.only and mention.counted and dice.chance(0.1):
            return Phrase(dice.choice(("a single ", "one ")) + body, f"the {body}", False, mention)
        return Phrase(article(body), f"the {body}", False, mention)

    def _described(self, mention: Mention, noun: str) -> str:
        """The noun with its size and colour."""
        colour = pick(words.COLOURS[mention.colour], self.dice) if mention.colour else ""
        size = pick(words.SIZES[mention.size], self.dice) + " " if mention.size else ""
        if mention.kind == "person":
            return size + noun + (" " + self.dice.choice(WEARING).format(colour) if colour else "")
        head, of, rest = noun.rpartition("of ")  # a small clump of green bamboo
        return size + head + of + (colour + " " if colour else "") + rest

    def _listed(self, mentions: Sequence[Mention]) -> list[Phrase]:
        return [self._named(mention) for mention in mentions]

    def _and(self, phrases: Sequence[Phrase]) -> str:
        """The phrases joined by commas and "and"."""
        items = [phrase.new for phrase in phrases]
        if len(items) == 1:
            return items[0]
        comma = "," if len(items) > 2 and self.dice.chance(0.4) else ""
        return ", ".join(items[:-1]) + comma + " and " + items[-1]

    # Circumstances.

    def _mood(self) -> str:
        return pick(words.MOODS[self.frame.pop("mood")], self.dice)

    def _adjectives(self) -> str:
        """Adjectives for a setting."""
        out, frame, dice = "", self.frame, self.dice
        if frame.get("mood", "angry") != "angry" and dice.chance(0.45):  # no meadow is angry
            out += self._mood() + " "
        if frame.get("weather", "clear") != "clear" and dice.chance(0.3):
            out += pick(words.WEATHER_ADJECTIVES[frame.pop("weather")], dice) + " "
        if "season" in frame and out.count(" ") < 2 and dice.chance(0.3):
            out += words.SEASONS[frame.pop("season")][0] + " "
        return out

    def _view(self) -> str:
        """The setting as what the picture shows."""
        the, noun = pick(words.VIEWS[self.frame.pop("setting")], self.dice)
        noun = self._adjectives() + noun
        return article(noun) if the == "a" else f"the {noun}"

    def _date(self) -> str:
        """Weather, season and time as one noun, such as "rainy spring evening"."""
        out = ""
        if "weather" in self.frame:
            weather = self.frame.pop("weather")
            unsure = weather == "clear" and self.told.clouds
            out += ("fine" if unsure else pick(words.WEATHER_ADJECTIVES[weather], self.dice)) + " "
        if "season" in self.frame:
            out += words.SEASONS[self.frame.pop("season")][0] + " "
        return out + pick(words.TIME_NOUNS[self.frame.pop("time")], self.dice)

    def _tails(self) -> list[str]:
        """All of the frame but its mood, as phrases that may stand before or behind a sentence."""
        out, frame, dice = [], self.frame, self.dice
        if "setting" in frame:
            preposition, the, noun = pick(words.PLACES[frame.pop("setting")], dice)
            noun = self._adjectives() + noun
            out.append(f"{preposition} {article(noun) if the == 'a' else the + ' ' + noun}")
        if "time" in frame and ("season" in frame or "weather" in frame) and dice.chance(0.65):
            early = "early " if frame["time"] == "dawn" else ""
            out.append(f"{early}on {article(self._date())}")
        if "time" in frame:
            out.append(pick(words.TIMES[frame.pop("time")], dice))
        if "season" in frame:
            out.append("in " + pick(words.SEASONS[frame.pop("season")], dice))
        if "weather" in frame:
            weather = frame.pop("weather")
            unsure = weather == "clear" and self.told.clouds
            out.append("in fine weather" if unsure else pick(words.WEATHERS[weather], dice))
        if len(out) > 1 and dice.chance(0.4):
            out = dice.shuffled(out)
        return out

    def _closed(self, head: str, tails: Sequence[str]) -> str:
        """The sentence with its circumstances: beyond two of them commas keep it readable."""
        return ", ".join((" ".join((head, *tails[:2])), *tails[2:]))

    def _felt(self, text: str, clause: bool) -> str:
        """The text with the mood behind a comma, where it is not yet said: as a clause behind a clause."""
        if "mood" not in self.frame:
            return text
        mood = self._mood()
        if clause:
            return f"{text}, and {self.dice.choice(('the mood is', 'everything feels', 'the atmosphere is'))} {mood}"
        noun = self.dice.choice(("mood", "atmosphere"))
        return f"{text}, {mood} {noun}" if self.dice.chance(0.5) else f"{text}, in {article(mood)} {noun}"

    def _picture(self) -> str:
        """What the picture is, such as "a peaceful oil painting"."""
        dice = self.dice
        what = pick(words.STYLES[self.style], dice) if self.style else "a " + dice.choice(("picture", "scene"))
        self.style = None
        if "mood" in self.frame and dice.chance(0.4):
            what = article(self._mood() + what[what.index(" ") :])
        return what

    # Clauses.

    def _related(self, link: Link) -> tuple[Phrase, str, Phrase]:
        """What comes first, how it stands, and to what."""
        subject, target = self._named(link.subject, False), self._named(link.target, False)
        here, there = words.RELATIONS[link.name]
        if there and self.dice.chance(0.35):
            return target, pick(there, self.dice), subject
        return subject, pick(here, self.dice), target

    def _linked(self, link: Link) -> str:
        """A relation as a sentence, small letter first."""
        first, how, second = self._related(link)
        if how not in ("left of", "right of") and self.dice.chance(0.35):
            return f"{how} {second.new} {self.dice.choice(('', 'there '))}{first.be} {first.new}"
        known = link.subject.only and link.target.only and self.dice.chance(0.3)
        return f"{first.known if known else first.new} {first.be} {how} {second.known if known else second.new}"

    def _verb(self, phrase: Phrase, placed: bool) -> str:
        """A verb that the picture cannot belie; `placed` where circumstances follow or went before."""
        mention, options = phrase.mention, ["can be seen"]
        if placed and mention.kind in STANDING:
            options.append("stand" if phrase.plural else "stands")
        if placed and mention.kind in GROWING:
            options.append("grow" if phrase.plural else "grows")
        if mention.kind == "boat" and self.told.water:
            options += ["float" if phrase.plural else "floats"] * 2
        if mention.kind == "fish" and self.told.water:
            options += ["swim" if phrase.plural else "swims"] * 2
        if mention.aloft and mention.kind == "balloon":
            options += ["float in the air" if phrase.plural else "floats in the air"] * 2
        elif mention.aloft:
            options += ["fly" if phrase.plural else "flies"] * 2
        return self.dice.choice(options)

    def _core(self) -> str:
        """The picture's content as a noun phrase."""
        told, dice = self.told, self.dice
        if told.links:
            first, how, second = self._related(told.links[0])
            return f"{first.new} {how} {second.new}"
        if not told.mentions:
            return self._view()
        if "setting" in self.frame and dice.chance(0.3):
            return f"{self._view()} with {self._and(self._listed(told.mentions))}"
        return self._and(self._listed(told.mentions))

    def _statement(self, link: Link | None, mentions: Sequence[Mention]) -> str:
        """A whole sentence, small letter first and without its full stop, that says all that the frame holds."""
        dice = self.dice
        if not link and not mentions:
            if "setting" not in self.frame:
                return f"this is {self._picture()}"
            return self._closed(f"{dice.choice(('this', 'here'))} is {self._view()}", self._tails())
        phrases = self._listed(mentions)
        view = self._view() if not link and "setting" in self.frame and dice.chance(0.2) else ""
        tails = self._tails()
        if view:
            head = f"{dice.choice(('this', 'here'))} is {view} with {self._and(phrases)}"
            return self._closed(head, tails)
        front = ""
        if tails and dice.chance(0.45):
            front = tails.pop(0) + ", "
        if link:
            head = self._linked(link)
            also = f"there {phrases[0].be} also {self._and(phrases)}" if phrases else ""
            return front + self._closed(head, tails) + (f", and {also}" if also else "")
        if len(phrases) == 1 and dice.chance(0.5):
            return front + self._closed(f"{phrases[0].new} {self._verb(phrases[0], bool(front or tails))}", tails)
        opener = dice.choice((f"there {phrases[0].be}", f"there {phrases[0].be}", "we see", "you can see"))
        return front + self._closed(f"{opener} {self._and(phrases)}", tails)

    # Captions.

    def _tagged(self, text: str) -> str:
        """The text, with the style behind a comma where it is not yet said."""
        style, self.style = self.style, None
        return f"{text}, {pick(words.STYLE_TAGS[style], self.dice)}" if style else text

    def _phrase(self) -> str:
        """A few words, as people type them."""
        dice = self.dice
        front = ""
        if self.style and dice.chance(0.45):
            front = self._picture() + " of "
        elif "mood" in self.frame and "setting" not in self.frame and dice.chance(0.6):
            front = f"{article(self._mood())} {dice.choice(('scene', 'picture'))} with "
        core = self._core()
        tails = self._tails()
        if not front and len(tails) == 1 and dice.chance(0.15):
            text = f"{tails[0]}, {core}"
        else:
            text = front + (" " if front or dice.chance(0.7) else ", ").join((core, *tails))
        text = self._tagged(self._felt(text, clause=False))
        return capital(text) if dice.chance(0.2) else text

    def _sentence(self) -> str:
        """One plain sentence."""
        dice, told = self.dice, self.told
        if self.style and dice.chance(0.6):
            front = dice.choice(("", "", "this is ", "it is ")) + self._picture()
            text = self._closed(f"{front} of {self._core()}", self._tails())
            if told.links and told.mentions:
                text += f", with {self._and(self._listed(told.mentions))} as well"
            return capital(self._felt(text, clause=False)) + "."
        if self.style and told.mentions and not told.links and dice.chance(0.4):
            text = f"{self._picture()} shows {self._and(self._listed(told.mentions))}"
            text = self._felt(self._closed(text, self._tails()), clause=True)
        else:
            text = self._statement(told.links[0] if told.links else None, told.mentions)
            full = bool(told.links and told.mentions)  # two clauses already
            text = self._felt(self._tagged(text), clause=not told.style and not full)
        return capital(text) + "."

    def _story(self) -> str:
        """Two to five short sentences."""
        dice, told = self.dice, self.told
        later = {
            name: self.frame.pop(name) for name in list(self.frame) if dice.chance(0.2 if name == "setting" else 0.5)
        }
        links, mentions = list(told.links), list(told.mentions)
        first = mentions[: dice.integer(1, 2)]
        if self.style and dice.chance(0.5):
            opener = f"{dice.choice(('', 'this is '))}{self._picture()}"
            if "setting" in self.frame and (not first or dice.chance(0.5)):
                first = []
                opener += f" of {self._view()}"
            elif first:
                opener += f" of {self._and(self._listed(first))}"
            elif links:
                one, how, two = self._related(links.pop(0))
                opener += f" of {one.new} {how} {two.new}"
            sentences = [self._felt(self._closed(opener, self._tails()), clause=False)]
        elif links and (not first or dice.chance(0.4)):
            first = []
            sentences = [self._felt(self._statement(links.pop(0), []), clause=True)]
        else:
            sentences = [self._felt(self._statement(None, first), clause=True)]
        rest = [self._linked(link) for link in links]
        if mentions[len(first) :]:
            phrases = self._listed(mentions[len(first) :])
            listed = self._and(phrases)
            rest.append(f"{listed} can be seen too" if dice.chance(0.3) else f"there {phrases[0].be} also {listed}")
        self.frame = later
        rest = dice.shuffled(rest + self._remarks())
        return " ".join(capital(sentence) + "." for sentence in sentences + rest)

    def _remarks(self) -> list[str]:
        """What is left of the frame and the style, in sentences."""
        out, frame, dice = [], self.frame, self.dice
        mood = f"the mood is {self._mood()}" if "mood" in frame and dice.chance(0.4) else ""
        if "mood" in frame:
            mood = dice.choice(("everything feels {}", "the atmosphere is {}", "it is {} scene"))
            name = self._mood()
            mood = mood.format(article(name) if "scene" in mood else name)
        if mood:
            out.append(mood)
        if "setting" in frame:
            preposition, the, noun = pick(words.PLACES[frame.pop("setting")], dice)
            out.append(f"all of this is {preposition} {the} {noun}")
        if "time" in frame and ("season" in frame or "weather" in frame):
            out.append(f"it is {article(self._date())}")
        if "weather" in frame:
            weather = frame.pop("weather")
            unsure = weather == "clear" and self.told.clouds
            out.append("the weather is fine" if unsure else pick(words.WEATHER_SENTENCES[weather], dice))
        if "time" in frame:
            name = pick(words.TIMES[frame["time"]], dice)
            out.append(f"it is {frame.pop('time')}" if dice.chance(0.5) else f"the time is {name.split()[-1]}")
        if "season" in frame:
            out.append(f"{dice.choice(('it is', 'the season is'))} {words.SEASONS[frame.pop('season')][0]}")
        if self.style:
            picture = self._picture()
            it = "the picture is" if dice.chance(0.5) and not picture.endswith(("picture", "image")) else "it is"
            out.append(f"{it} {picture}")
        return out
