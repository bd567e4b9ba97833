"""Prompts as people type them: a few words between commas, or a wish, in words that reach beyond the captions'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from . import words
from .dice import Dice
from .scene import Scene
from .telling import Link, Mention, Told, choose

Wide = Mapping[str, str]  # further words for an id, between bars

# What the captions do not say, but people do. Of nouns that do not take an s, both numbers, with a slash.
NOUNS: Wide = {
    "mountain": "hill|mountain peak|summit|mount",
    "tree": "leafy tree|oak|oak tree",
    "pine": "fir|fir tree|spruce|conifer|evergreen",
    "bamboo": "bamboo/bamboo|bamboo grove|bamboo stalk",
    "flower": "rose|tulip|daisy/daisies|wildflower|bloom",
    "house": "cottage|home|hut|cabin|farmhouse",
    "pagoda": "temple|tower|chinese tower|shrine",
    "bridge": "footbridge|stone bridge|wooden bridge",
    "boat": "ship|sailboat|rowing boat|rowboat|fishing boat|sailing boat",
    "bird": "sparrow|swallow|seagull|songbird|gull",
    "fish": "carp/carp|koi/koi|fish/fishes",
    "cat": "kitten|feline|tomcat|pussycat",
    "dog": "puppy/puppies|hound|doggy/doggies|pup",
    "horse": "pony/ponies|stallion|mare|steed",
    "person": "man/men|woman/women|girl|boy|child/children|lady/ladies|traveller|human",
    "lantern": "chinese lantern|hanging lantern",
    "kite": "paper kite|flying kite",
    "lamp": "street light|streetlight|streetlamp|lamppost",
    "fence": "wooden fence|picket fence|railing|garden fence",
    "car": "motorcar|vehicle|auto",
    "balloon": "air balloon|hot air balloon",
    "mushroom": "fungus/fungi|forest mushroom",
    "bench": "park bench/park benches|garden bench/garden benches|wooden bench/wooden benches",
    "basket": "hamper|woven basket",
    "pot": "plant pot|flower pot|potted plant|planter|vase",
}
NOUNS_ZH: Wide = {
    "sun": "日头",
    "moon": "月|明月|月儿|圆月",
    "cloud": "云团|浮云",
    "mountain": "高山|山丘|山岭|远山",
    "tree": "树木|橡树",
    "pine": "松|青松|杉树",
    "bamboo": "竹|竹林",
    "flower": "鲜花|野花|花朵|玫瑰|郁金香|菊花",
    "house": "屋|小屋|木屋|农舍|家",
    "pagoda": "古塔|佛塔|塔楼|寺庙",
    "bridge": "石桥|木桥|小桥|拱桥",
    "boat": "帆船|渔船|舟|小舟|小船|轮船",
    "bird": "小鸟|燕子|麻雀|海鸥|飞鸟",
    "fish": "鲤鱼|锦鲤|金鱼",
    "cat": "小猫|猫儿|喵咪",
    "dog": "小狗|犬|狗子",
    "horse": "骏马|小马|马驹",
    "person": "人物|男人|女人|女孩|男孩|孩子|姑娘|行人|旅人",
    "lantern": "花灯|纸灯笼|宫灯",
    "kite": "纸鸢",
    "lamp": "灯柱|街边的灯",
    "fence": "围栏|木栅栏",
    "car": "车|小汽车|车子",
    "balloon": "气球",
    "butterfly": "蝶|蝶儿",
    "mushroom": "菌菇|菇",
    "bench": "椅子|凳子|板凳|座椅",
    "basket": "竹篮|篮|筐",
    "pot": "盆栽|花瓶|盆",
}
COLOURS: Wide = {
    "red": "crimson|ruby|bright red|cherry red",
    "orange": "tangerine|bright orange",
    "yellow": "golden|gold|lemon yellow|bright yellow",
    "green": "emerald|jade green|dark green",
    "blue": "azure|navy|cobalt blue|sky blue",
    "purple": "lilac|lavender|mauve",
    "pink": "rosy|light pink|hot pink",
    "brown": "chestnut|chocolate brown|dark brown",
    "black": "jet black|ebony|pitch black",
    "white": "snow-white|ivory|pure white",
    "grey": "silver|ash grey|dark grey",
}
COLOURS_ZH: Wide = {
    "red": "红|大红|鲜红|朱红|火红",
    "orange": "橙|橘|橙红",
    "yellow": "黄|金色|金黄|明黄",
    "green": "绿|翠绿|碧绿|墨绿",
    "blue": "蓝|天蓝|湛蓝|蔚蓝|深蓝",
    "purple": "紫|淡紫|深紫",
    "pink": "粉|粉嫩|桃红",
    "brown": "棕|褐|咖啡色",
    "black": "黑|乌黑|漆黑",
    "white": "白|雪白|洁白",
    "grey": "灰|银灰|灰蒙蒙",
}
SIZES: Wide = {"small": "wee|mini", "medium": "middle-sized", "large": "huge|giant|enormous"}
SIZES_ZH: Wide = {"small": "小|迷你|小巧", "medium": "中等", "large": "大|巨大|高大"}
SETTINGS: Wide = {
    "meadow": "field|grass|pasture|grassland|prairie|meadow",
    "forest": "forest|woods|wood|woodland|grove",
    "mountains": "mountains|hills|highlands|mountain scenery",
    "lake": "lake|lakeside|pond|lakeshore|lake shore",
    "seaside": "sea|ocean|seaside|seashore|beach|shore|coast",
    "village": "village|hamlet|countryside|rural",
    "city": "city|town|street|downtown|urban",
    "garden": "garden|park|yard|backyard|flower garden",
}
SETTINGS_ZH: Wide = {
    "meadow": "草地|草原|田野|草坪|原野",
    "forest": "森林|树林|林子|丛林|林中",
    "mountains": "山里|群山|山谷|山区|山景",
    "lake": "湖边|湖畔|湖泊|池塘|湖",
    "seaside": "海边|大海|海滩|沙滩|海岸|海",
    "village": "村庄|乡村|乡下|小村|村子",
    "city": "城市|街道|街头|都市|大街",
    "garden": "花园|公园|庭院|院子|园林",
}
TIMES: Wide = {
    "dawn": "dawn|sunrise|morning|daybreak|early morning",
    "day": "day|daytime|noon|midday|afternoon|daylight",
    "dusk": "dusk|sunset|evening|twilight|nightfall",
    "night": "night|midnight|nighttime|at night|dark night",
}
TIMES_ZH: Wide = {
    "dawn": "清晨|早晨|早上|日出|黎明|晨曦",
    "day": "白天|中午|正午|下午|午后",
    "dusk": "傍晚|黄昏|日落|夕阳",
    "night": "夜晚|夜里|深夜|晚上|午夜|夜色|夜",
}
WEATHERS: Wide = {
    "clear": "clear|clear sky|fine weather|good weather|cloudless",
    "cloudy": "cloudy|overcast|clouded sky",
    "rain": "rain|rainy|raining|drizzle|downpour|wet weather",
    "snow": "snow|snowy|snowing|snowfall|blizzard",
    "fog": "fog|foggy|mist|misty|haze|hazy",
}
WEATHERS_ZH: Wide = {
    "clear": "晴天|晴|晴朗|好天气",
    "cloudy": "阴天|多云|阴",
    "rain": "雨|下雨|雨天|小雨|大雨|细雨",
    "snow": "雪|下雪|雪天|大雪|小雪",
    "fog": "雾|大雾|雾天|薄雾|起雾",
}
SEASONS: Wide = {
    "spring": "spring|springtime|in spring",
    "summer": "summer|summertime|in summer",
    "autumn": "autumn|fall|in autumn",
    "winter": "winter|wintertime|wintry",
}
SEASONS_ZH: Wide = {
    "spring": "春|春天|春日",
    "summer": "夏|夏天|夏日",
    "autumn": "秋|秋天|秋日",
    "winter": "冬|冬天|冬日",
}
MOODS: Wide = {
    "calm": "calm|peaceful|serene|tranquil|quiet|relaxing|soothing|gentle|still",
    "joyful": "joyful|happy|cheerful|merry|jolly|lively|playful|joy",
    "sad": "sad|melancholic|sorrowful|lonely|mournful|gloomy|melancholy|sadness",
    "angry": "angry|furious|fierce|rage|wrathful|anger",
    "mysterious": "mysterious|mystic|eerie|spooky|magical|enigmatic|mystery",
    "festive": "festive|celebration|holiday|party|carnival|festival",
}
MOODS_ZH: Wide = {
    "calm": "宁静|安静|平和|祥和|安详|恬静|静谧",
    "joyful": "欢乐|开心|高兴|愉快|快乐|喜悦|活泼",
    "sad": "悲伤|忧伤|伤心|忧郁|孤独|难过|哀愁",
    "angry": "愤怒|生气|暴怒|怒|怒火",
    "mysterious": "神秘|诡异|奇幻|神秘感|玄妙",
    "festive": "喜庆|节日|热闹|过年|庆祝",
}
STYLES: Wide = {
    "flat": "flat|flat design|flat style|vector art|vector|vector graphic|flat illustration",
    "pencil": "pencil|sketch|pencil sketch|graphite|pencil drawing|hand-drawn sketch",
    "ink": "ink|ink wash|sumi-e|chinese ink painting|ink painting|ink style",
    "oil": "oil|oil painting|oils|oil on canvas|oil paint|impasto",
    "pixel": "pixel art|pixel|8-bit|16-bit|pixelated|retro game style",
    "crayon": "crayon|crayons|crayon drawing|wax crayon|crayon style",
}
STYLES_ZH: Wide = {
    "flat": "扁平|扁平风|矢量图|扁平插画|矢量插画|扁平风格",
    "pencil": "铅笔|素描|铅笔画|速写|铅笔风格",
    "ink": "水墨|水墨画|国画|水墨风|中国画|水墨风格",
    "oil": "油画|油彩|油画风|油画风格",
    "pixel": "像素|像素画|像素风|像素艺术",
    "crayon": "蜡笔|蜡笔画|蜡笔风|彩色蜡笔",
}
SIDES: Mapping[str, tuple[str, str]] = {  # from the subject's side, from the target's
    "left of": (
        "to the left of|left of|on the left of|on the left side of",
        "to the right of|right of|on the right of",
    ),
    "above": ("above|over|high above", "below|under|beneath|underneath"),
    "behind": ("behind|at the back of", "in front of|before"),
    "on": ("on|on top of|sitting on|standing on|atop|that is on|resting on", ""),
    "inside": ("in|inside|within|sitting in", ""),
}
SIDES_ZH: Mapping[str, tuple[str, str]] = {
    "left of": ("左边|左侧|左面|左方", "右边|右侧|右面|右方"),
    "above": ("上方|上面|上空", "下方|下面|底下"),
    "behind": ("后面|背后|身后|后方", "前面|前方|面前"),
    "on": ("上|上面|上头", ""),
    "inside": ("里|里面|里头|中", ""),
}
POSES_ZH = {"on": "在|坐在|站在|趴在|停在", "inside": "在|坐在|待在"}  # how it is on or inside something
WISHES = (
    *("draw {}", "draw me {}", "please draw {}", "paint {}", "show me {}", "I want {}", "make a picture of {}"),
    *("a picture of {}", "an image of {}", "can you draw {}", "I would like to see {}", "generate {}", "{} please"),
)
WISHES_ZH = (
    "画{}",
    "请画{}",
    "帮我画{}",
    "我想要{}",
    "来一张{}",
    "画一张{}",
    "给我画{}",
    "生成{}",
    "一张{}的图",
    "我要{}",
)
PRAISE = (
    *("beautiful", "highly detailed", "masterpiece", "best quality", "4k", "lovely", "nice", "wallpaper", "detailed"),
    *("artwork", "very pretty", "high resolution"),
)
PRAISE_ZH = ("漂亮", "高清", "精美", "细节丰富", "好看", "杰作", "高质量", "壁纸", "美丽")
PRAISED, WISHED, NUMERAL, KNOWN = 0.12, 0.35, 0.3, 0.4  # shares


def prompt(scene: Scene, style: str | None = None, language: str = "en", seed: int = 0) -> str:
    """What somebody might type to be shown this scene: as true as a caption, without a caption's care for grammar."""
    dice = Dice("prompt", language, scene.seed, seed)
    told = choose(scene, style, dice)
    return (_Chinese if language == "zh" else _English)(told, dice).text()


class _Writer:
    """What both languages share: things, then circumstances, style and mood in any order, between commas."""

    comma = ", "
    wishes: Sequence[str] = WISHES
    praise: Sequence[str] = PRAISE
    frame: Mapping[str, Wide] = {
        "setting": SETTINGS,
        "time": TIMES,
        "weather": WEATHERS,
        "season": SEASONS,
        "mood": MOODS,
    }
    styles: Wide = STYLES

    def __init__(self, told: Told, dice: Dice) -> None:
        self.told, self.dice = told, dice

    def text(self) -> str:
        told, dice = self.told, self.dice
        things = [self.link(link) for link in told.links] + [self.thing(mention) for mention in told.mentions]
        things = dice.shuffled(things)
        if len(things) > 1 and dice.chance(0.4):
            things = [self.together(things)]
        rest = [self.circumstance(name, word) for name, word in told.frame.items()]
        if told.style:
            rest.append(self.one(self.styles[told.style]))
        rest = dice.shuffled(rest)
        if not things:
            things, rest = rest[:1], rest[1:]
        if dice.chance(WISHED):
            things[0] = dice.choice(self.wishes).format(things[0])
        if dice.chance(PRAISED):
            rest.insert(dice.integer(0, len(rest)), dice.choice(self.praise))
        parts = [*things, *rest] if dice.chance(0.7) else [*rest, *things]
        return (self.comma if dice.chance(0.85) else " ").join(parts)

    def one(self, among: str) -> str:
        return self.dice.choice(among.split("|"))

    def circumstance(self, name: str, word: str) -> str:
        if name == "weather" and word == "clear" and self.told.clouds:
            return self.one(self.frame[name][word].replace("|cloudless", ""))
        return self.one(self.frame[name][word])

    def thing(self, mention: Mention) -> str:
        raise NotImplementedError

    def link(self, link: Link) -> str:
        raise NotImplementedError

    def together(self, things: Sequence[str]) -> str:
        raise NotImplementedError


class _English(_Writer):
    def noun(self, mention: Mention) -> str:
        """The kind's word in the mention's number."""
        known = [f"{one}/{many}" for one, many in words.NOUNS[mention.kind]]
        wide = [word for word in NOUNS.get(mention.kind, "").split("|") if word]
        if mention.broadleaf:
            known, wide = ["/".join(words.OTHER_TREE)], []
        word = self.dice.choice(known if not wide or self.dice.chance(KNOWN) else wide)
        singular, _, plural = word.partition("/")
        return singular if mention.count == 1 else plural or singular + "s"

    def thing(self, mention: Mention) -> str:
        dice, noun = self.dice, self.noun(mention)
        colour = ""
        if mention.colour:
            plain = dice.chance(KNOWN + 0.2)
            colour = dice.choice(words.COLOURS[mention.colour]) if plain else self.one(COLOURS[mention.colour])
        size = ""
        if mention.size:
            plain = dice.chance(KNOWN)
            size = dice.choice(words.SIZES[mention.size]) if plain else self.one(SIZES[mention.size])
        person = mention.kind == "person"
        before = [size, "" if person else colour]
        after = f" {dice.choice(('in', 'wearing', 'dressed in'))} {colour}" if person and colour else ""
        body = " ".join(filter(None, [*before, noun])) + after
        if mention.count == 1:
            if mention.kind in ("sun", "moon") and not colour:
                return body
            return dice.choice(("", "a ", "one " if mention.only and mention.counted else "a ", "a ")) + body
        if not mention.counted:
            return dice.choice(("some ", "", "several " if mention.count > 2 else "")) + body
        if mention.count == 2 and dice.chance(0.2):
            return dice.choice(("a pair of ", "a couple of ")) + body
        written = mention.count < len(words.NUMBERS) and not dice.chance(NUMERAL)
        return f"{words.NUMBERS[mention.count] if written else mention.count} {body}"

    def link(self, link: Link) -> str:
        here, there = SIDES[link.name]
        subject, target = self.thing(link.subject), self.thing(link.target)
        if there and self.dice.chance(0.35):
            return f"{target} {self.one(there)} {subject}"
        return f"{subject} {self.one(here)} {target}"

    def circumstance(self, name: str, word: str) -> str:
        found = super().circumstance(name, word)
        if name == "mood":
            return found + self.dice.choice(("", "", "", " mood", " atmosphere", " feeling"))
        return found

    def together(self, things: Sequence[str]) -> str:
        return f"{', '.join(things[:-1])} {self.dice.choice(('and', 'with', 'and'))} {things[-1]}"


class _Chinese(_Writer):
    comma, wishes, praise, styles = "\uff0c", WISHES_ZH, PRAISE_ZH, STYLES_ZH
    frame = {
        "setting": SETTINGS_ZH,
        "time": TIMES_ZH,
        "weather": WEATHERS_ZH,
        "season": SEASONS_ZH,
        "mood": MOODS_ZH,
    }

    def thing(self, mention: Mention, numbered: bool = True) -> str:
        dice = self.dice
        noun, measures = dice.choice(words.NOUNS_ZH[mention.kind])
        wide = NOUNS_ZH.get(mention.kind)
        if mention.broadleaf:
            noun, measures = words.OTHER_TREE_ZH
        elif mention.size:  # no large 小船
            noun, measures = words.NOUNS_ZH[mention.kind][0]
        elif wide and not dice.chance(KNOWN):
            noun = self.one(wide)
        colour = ""
        if mention.colour:
            plain = dice.chance(KNOWN)
            colour = dice.choice(words.COLOURS_ZH[mention.colour]) if plain else self.one(COLOURS_ZH[mention.colour])
        if mention.kind == "person":
            colour = f"穿{colour}衣服" if colour else ""
        size = self.one(SIZES_ZH[mention.size]) if mention.size else ""
        described = dice.shuffled(list(filter(None, [size, colour])))
        of = "的" if described and (mention.kind == "person" or dice.chance(0.5)) else ""
        body = "".join(described) + of + noun
        measure = dice.choice(measures)
        if mention.count == 1:
            return (f"一{measure}" if numbered and dice.chance(0.5) else "") + body
        if not mention.counted:
            return dice.choice((f"几{measure}", "一些", "好几" + measure) if mention.count > 2 else ("", "一些")) + body
        if mention.count == 2 and dice.chance(0.15):
            return f"一对{body}"
        written = mention.count < 10 and not dice.chance(NUMERAL)
        return f"{words.DIGITS_ZH[mention.count] if written else mention.count}{measure}{body}"

    def link(self, link: Link) -> str:
        dice = self.dice
        here, there = SIDES_ZH[link.name]
        subject, target = link.subject, link.target
        side = self.one(here)
        pose = self.one(POSES_ZH.get(link.name, "在"))
        if there and dice.chance(0.35):
            subject, target, side = target, subject, self.one(there)
        form = dice.integer(0, 3)
        ground = self.thing(target, numbered=False)
        if form == 0:
            return f"{self.thing(subject)}{pose}{ground}{side}"
        if form == 1:
            return f"{ground}{side}的{self.thing(subject)}"
        if form == 2:
            return f"{ground}{side}有{self.thing(subject)}"
        return f"{pose}{ground}{side}的{self.thing(subject)}"

    def together(self, things: Sequence[str]) -> str:
        return "、".join(things[:-1]) + self.dice.choice(("和", "还有", "与")) + things[-1]
