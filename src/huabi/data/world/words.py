"""The vocabulary of captions, in English and Chinese: no word stands for two things."""

from __future__ import annotations

Words = dict[str, tuple[str, ...]]

# ---- English. In each tuple the plainest word comes first, and is used most.

NOUNS: dict[str, tuple[tuple[str, str], ...]] = {  # singular and plural
    "sun": (("sun", "suns"),),
    "moon": (("moon", "moons"),),
    "cloud": (("cloud", "clouds"),),
    "mountain": (("mountain", "mountains"), ("peak", "peaks")),
    "tree": (("tree", "trees"),),
    "pine": (("pine tree", "pine trees"), ("pine", "pines")),
    "bamboo": (("clump of bamboo", "clumps of bamboo"), ("bamboo plant", "bamboo plants")),
    "flower": (("flower", "flowers"), ("blossom", "blossoms")),
    "house": (("house", "houses"),),
    "pagoda": (("pagoda", "pagodas"),),
    "bridge": (("bridge", "bridges"),),
    "boat": (("boat", "boats"),),
    "bird": (("bird", "birds"),),
    "fish": (("fish", "fish"),),
    "cat": (("cat", "cats"), ("kitty", "kitties")),
    "dog": (("dog", "dogs"),),
    "horse": (("horse", "horses"),),
    "person": (("person", "people"), ("figure", "figures")),
    "lantern": (("lantern", "lanterns"), ("paper lantern", "paper lanterns")),
    "kite": (("kite", "kites"),),
    "lamp": (("lamp post", "lamp posts"), ("street lamp", "street lamps")),
    "fence": (("fence", "fences"),),
    "car": (("car", "cars"), ("automobile", "automobiles")),
    "balloon": (("hot-air balloon", "hot-air balloons"), ("balloon", "balloons")),
    "butterfly": (("butterfly", "butterflies"),),
    "mushroom": (("mushroom", "mushrooms"), ("toadstool", "toadstools")),
    "bench": (("bench", "benches"),),
    "basket": (("basket", "baskets"), ("wicker basket", "wicker baskets")),
    "pot": (("pot", "pots"), ("flowerpot", "flowerpots")),
}
OTHER_TREE = ("broadleaf tree", "broadleaf trees")  # a tree where pines are, which are trees as well
COLOURS: Words = {
    "red": ("red", "scarlet"),
    "orange": ("orange",),
    "yellow": ("yellow",),
    "green": ("green",),
    "blue": ("blue",),
    "purple": ("purple", "violet"),
    "pink": ("pink",),
    "brown": ("brown",),
    "black": ("black",),
    "white": ("white",),
    "grey": ("grey", "gray"),
}
SIZES: Words = {
    "small": ("small", "little", "tiny"),
    "medium": ("medium-sized", "mid-sized"),
    "large": ("large", "big"),
}
NUMBERS = (
    *("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
PLACES: dict[str, tuple[tuple[str, str, str], ...]] = {  # preposition, article, noun: adjectives go before the noun
    "meadow": (("in", "a", "meadow"), ("in", "a", "grassy field"), ("on", "the", "grassland")),
    "forest": (("in", "a", "forest"), ("in", "the", "woods"), ("in", "the", "woodland")),
    "mountains": (("in", "the", "mountains"), ("among", "the", "mountains"), ("in", "the", "highlands")),
    "lake": (("by", "a", "lake"), ("at", "the", "lake"), ("by", "the", "lakeside")),
    "seaside": (("by", "the", "sea"), ("at", "the", "seaside"), ("on", "the", "beach"), ("on", "the", "coast")),
    "village": (("in", "a", "village"), ("in", "the", "village"), ("in", "a", "country village")),
    "city": (("in", "a", "city"), ("in", "the", "city")),
    "garden": (("in", "a", "garden"), ("in", "the", "garden")),
}
VIEWS: dict[str, tuple[tuple[str, str], ...]] = {  # article and noun of a setting that is itself the subject
    "meadow": (("a", "meadow"), ("a", "grassy field")),
    "forest": (("a", "forest"), ("a", "woodland")),
    "mountains": (("a", "mountain landscape"), ("a", "mountain view")),
    "lake": (("a", "lake"), ("a", "lake view")),
    "seaside": (("a", "seaside view"), ("a", "coast")),
    "village": (("a", "village"), ("a", "country village")),
    "city": (("a", "city"), ("a", "city view")),
    "garden": (("a", "garden"),),
}
TIMES: Words = {
    "dawn": ("at dawn", "at daybreak", "at sunrise", "early in the morning"),
    "day": ("by day", "in the daytime", "during the day", "in the afternoon"),
    "dusk": ("at dusk", "at twilight", "at sunset", "in the evening"),
    "night": ("at night", "by night", "late at night"),
}
TIME_NOUNS: Words = {"dawn": ("morning",), "day": ("day", "afternoon"), "dusk": ("evening",), "night": ("night",)}
WEATHERS: Words = {
    "clear": ("in clear weather", "under a clear sky", "in fine weather"),
    "cloudy": ("under a cloudy sky", "under an overcast sky", "in cloudy weather"),
    "rain": ("in the rain", "in rainy weather", "in the falling rain"),
    "snow": ("in the falling snow", "in snowy weather", "in a snowfall"),
    "fog": ("in the fog", "in the mist", "in foggy weather"),
}
WEATHER_ADJECTIVES: Words = {
    "clear": ("clear", "fine"),
    "cloudy": ("cloudy", "overcast"),
    "rain": ("rainy",),
    "snow": ("snowy",),
    "fog": ("foggy", "misty"),
}
WEATHER_SENTENCES: Words = {
    "clear": ("The sky is clear", "The weather is clear", "The weather is fine"),
    "cloudy": ("The sky is overcast", "The sky is cloudy"),
    "rain": ("It is raining", "Rain is falling"),
    "snow": ("It is snowing", "Snow is falling"),
    "fog": ("Fog lies over everything", "It is foggy", "Everything is wrapped in mist"),
}
SEASONS: Words = {
    "spring": ("spring", "springtime"),
    "summer": ("summer", "summertime"),
    "autumn": ("autumn", "fall"),
    "winter": ("winter", "wintertime"),
}
MOODS: Words = {
    "calm": ("calm", "peaceful", "quiet", "tranquil", "serene"),
    "joyful": ("joyful", "cheerful", "happy"),
    "sad": ("sad", "melancholy", "sorrowful"),
    "angry": ("angry", "furious", "wrathful"),
    "mysterious": ("mysterious", "enigmatic", "mystical"),
    "festive": ("festive", "celebratory"),
}
STYLES: Words = {  # as what a picture is
    "flat": ("a flat vector illustration", "a flat illustration", "a flat vector picture"),
    "pencil": ("a pencil drawing", "a pencil sketch"),
    "ink": ("an ink wash painting", "an ink painting"),
    "oil": ("an oil painting",),
    "pixel": ("a pixel art picture", "a pixel art image", "a piece of pixel art"),
    "crayon": ("a crayon drawing", "a wax crayon drawing"),
}
STYLE_TAGS: Words = {  # behind a comma
    "flat": ("flat vector illustration", "flat vector style", "in a flat vector style"),
    "pencil": ("pencil drawing", "pencil sketch", "drawn in pencil"),
    "ink": ("ink wash painting", "in ink wash", "painted in ink"),
    "oil": ("oil painting", "in oils", "painted in oils"),
    "pixel": ("pixel art", "in pixel art style", "as pixel art"),
    "crayon": ("crayon drawing", "in crayon", "drawn in crayon"),
}
RELATIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {  # from the subject's side, from the target's
    "left of": (("to the left of", "on the left of", "left of"), ("to the right of", "on the right of", "right of")),
    "above": (("above", "over"), ("below", "beneath", "under")),
    "behind": (("behind",), ("in front of",)),
    "on": (("on", "on top of"), ()),
    "inside": (("in", "inside"), ()),
}

# ---- Chinese.

NOUNS_ZH: dict[str, tuple[tuple[str, str], ...]] = {  # noun and its measure words
    "sun": (("太阳", "轮"),),
    "moon": (("月亮", "轮"),),
    "cloud": (("云", "朵片"), ("云彩", "朵片"), ("云朵", "片")),
    "mountain": (("山", "座"), ("山峰", "座")),
    "tree": (("树", "棵"),),
    "pine": (("松树", "棵株"),),
    "bamboo": (("竹子", "丛"),),
    "flower": (("花", "朵"), ("花儿", "朵")),
    "house": (("房子", "座栋"), ("房屋", "座间"), ("屋子", "间")),
    "pagoda": (("宝塔", "座"), ("塔", "座")),
    "bridge": (("桥", "座"),),
    "boat": (("船", "艘条"),),
    "bird": (("鸟", "只"), ("鸟儿", "只")),
    "fish": (("鱼", "条"), ("鱼儿", "条")),
    "cat": (("猫", "只"), ("猫咪", "只")),
    "dog": (("狗", "只条"), ("狗狗", "只")),
    "horse": (("马", "匹"), ("马儿", "匹")),
    "person": (("人", "个"),),
    "lantern": (("灯笼", "盏只"),),
    "kite": (("风筝", "只"),),
    "lamp": (("路灯", "盏"), ("街灯", "盏")),
    "fence": (("篱笆", "道"), ("栅栏", "道")),
    "car": (("汽车", "辆"), ("轿车", "辆")),
    "balloon": (("热气球", "只个"),),
    "butterfly": (("蝴蝶", "只"),),
    "mushroom": (("蘑菇", "朵个"),),
    "bench": (("长椅", "张条"), ("长凳", "条张")),
    "basket": (("篮子", "只个"),),
    "pot": (("花盆", "只个"),),
}
OTHER_TREE_ZH = ("阔叶树", "棵")
COLOURS_ZH: Words = {
    "red": ("红色",),
    "orange": ("橙色", "橘色"),
    "yellow": ("黄色",),
    "green": ("绿色",),
    "blue": ("蓝色",),
    "purple": ("紫色",),
    "pink": ("粉色", "粉红色"),
    "brown": ("棕色", "褐色"),
    "black": ("黑色",),
    "white": ("白色",),
    "grey": ("灰色",),
}
SHORT_COLOURS = {  # the bare syllable, for 黑猫 and 红衣服
    **{"red": "红", "orange": "橙", "yellow": "黄", "green": "绿", "blue": "蓝", "purple": "紫"},
    **{"pink": "粉", "brown": "棕", "black": "黑", "white": "白", "grey": "灰"},
}
SHORT: dict[str, str] = {  # nouns that people join with the bare syllable, and with which ones
    "猫": "黑白灰黄橘",
    "狗": "黑白灰黄",
    "马": "黑白红棕灰",
    "鸟": "红黄绿蓝紫黑白灰",
    "花": "红黄蓝紫粉白",
    "树": "绿",
    "云": "白黑灰红",
    "房子": "红黄绿蓝白灰",
    "船": "红绿蓝白黑",
    "灯笼": "红黄绿蓝紫白",
    "汽车": "红黄绿蓝黑白灰",
    "蝴蝶": "黄蓝紫白黑",
    "蘑菇": "红白黄",
    "风筝": "红黄绿蓝紫",
    "篱笆": "白",
    "太阳": "红",
    "塔": "白",
}
SIZES_ZH: Words = {"small": ("小", "小小的"), "medium": ("中等大小的", "不大不小的"), "large": ("大", "大大的")}
DIGITS_ZH = "零一两三四五六七八九"
PLACES_ZH: Words = {
    "meadow": ("草地上", "草原上", "草甸上"),
    "forest": ("森林里", "树林里", "林间"),
    "mountains": ("山里", "山间", "群山之间"),
    "lake": ("湖边", "湖畔", "湖岸边"),
    "seaside": ("海边", "海滨", "沙滩上"),
    "village": ("村子里", "村庄里", "乡村里"),
    "city": ("城市里", "城里", "都市里"),
    "garden": ("花园里", "园子里"),
}
VIEWS_ZH: Words = {
    "meadow": ("草地", "草原"),
    "forest": ("森林", "树林"),
    "mountains": ("山景", "群山"),
    "lake": ("湖畔", "湖景"),
    "seaside": ("海滨", "海景"),
    "village": ("村庄", "乡村", "村子"),
    "city": ("城市", "都市"),
    "garden": ("花园",),
}
TIMES_ZH: Words = {  # after the season too: 春天的清晨
    "dawn": ("清晨", "黎明", "拂晓", "清早"),
    "day": ("白天", "午后"),
    "dusk": ("傍晚", "黄昏", "日落时分", "黄昏时分"),
    "night": ("夜里", "夜晚", "深夜", "晚上"),
}
WEATHERS_ZH: Words = {  # a clause of its own
    "clear": ("天气晴朗", "天空晴朗"),
    "cloudy": ("阴云密布", "天色阴沉", "天空阴沉沉的"),
    "rain": ("下着雨", "细雨蒙蒙", "雨下个不停"),
    "snow": ("下着雪", "雪花飘飘", "漫天飞雪"),
    "fog": ("雾气弥漫", "四下雾蒙蒙的", "薄雾笼罩"),
}
WEATHER_PLACES_ZH: Words = {  # where something can be
    "clear": ("晴空下",),
    "cloudy": ("阴沉的天空下", "阴云下"),
    "rain": ("雨中", "细雨中"),
    "snow": ("雪中", "飞雪中"),
    "fog": ("雾中", "薄雾中"),
}
WEATHER_ADJECTIVES_ZH: Words = {
    "clear": ("晴朗",),
    "cloudy": ("阴沉", "多云"),
    "rain": ("下着雨", "细雨蒙蒙", "下雨"),
    "snow": ("下着雪", "雪花飘飘", "飘着雪"),
    "fog": ("雾蒙蒙", "有雾", "雾气弥漫"),
}
SEASONS_ZH: Words = {
    "spring": ("春天", "春季"),
    "summer": ("夏天", "夏季"),
    "autumn": ("秋天", "秋季"),
    "winter": ("冬天", "冬季"),
}
MOODS_ZH: Words = {  # before 的
    "calm": ("宁静", "平静", "静谧", "安宁"),
    "joyful": ("欢快", "快乐", "欢乐"),
    "sad": ("忧伤", "悲伤", "伤感"),
    "angry": ("愤怒", "狂怒"),
    "mysterious": ("神秘", "神秘莫测"),
    "festive": ("喜庆", "喜气洋洋"),
}
MOOD_CLAUSES_ZH: Words = {
    "calm": ("四周一片宁静", "气氛宁静", "一切都很平静", "画面安宁祥和"),
    "joyful": ("气氛欢快", "到处洋溢着欢乐", "画面充满欢乐", "一派欢乐景象"),
    "sad": ("气氛忧伤", "画面透着悲伤", "弥漫着淡淡的忧伤", "让人觉得伤感"),
    "angry": ("画面充满怒气", "透着一股愤怒", "弥漫着愤怒的气息", "满是怒意"),
    "mysterious": ("气氛神秘", "透着几分神秘", "弥漫着神秘的气息", "显得神秘莫测"),
    "festive": ("一派喜庆景象", "洋溢着节日的气氛", "到处喜气洋洋", "气氛喜庆"),
}
STYLES_ZH: Words = {
    "flat": ("扁平插画", "扁平风插画"),
    "pencil": ("铅笔画", "铅笔素描"),
    "ink": ("水墨画", "中国水墨画"),
    "oil": ("油画",),
    "pixel": ("像素画",),
    "crayon": ("蜡笔画",),
}
RELATIONS_ZH: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "left of": (("左边", "左侧"), ("右边", "右侧")),
    "above": (("上方",), ("下方", "下面")),
    "behind": (("后面", "背后"), ("前面", "前方")),
    "on": (("上", "上面"), ()),
    "inside": (("里", "里面"), ()),
}


def prompt_words(language: str | None = None) -> dict[str, Words]:
    """The vocabulary: category, then id, then its words, the plainest first.

    Categories are kind, colour, size, setting, time, weather, season, mood, style and relation. `language` is "en" or
    "zh"; without one the English words come first, then the Chinese ones.
    """
    english: dict[str, Words] = {
        "kind": {kind: tuple(dict.fromkeys(word for noun in nouns for word in noun)) for kind, nouns in NOUNS.items()},
        "colour": COLOURS,
        "size": SIZES,
        "setting": {k: tuple(dict.fromkeys(place[2] for place in places)) for k, places in PLACES.items()},
        "time": {k: tuple(dict.fromkeys(w.split()[-1] for w in words)) for k, words in TIMES.items()},
        "weather": {k: tuple(dict.fromkeys((k, *words))) for k, words in WEATHER_ADJECTIVES.items()},
        "season": SEASONS,
        "mood": MOODS,
        "style": {k: (*words, *(w.split(maxsplit=1)[1] for w in STYLES[k])) for k, words in STYLE_TAGS.items()},
        "relation": {k: here for k, (here, _) in RELATIONS.items()},
    }
    chinese: dict[str, Words] = {
        "kind": {kind: tuple(noun for noun, _ in nouns) for kind, nouns in NOUNS_ZH.items()},
        "colour": COLOURS_ZH,
        "size": SIZES_ZH,
        "setting": VIEWS_ZH,
        "time": TIMES_ZH,
        "weather": {k: (*WEATHER_ADJECTIVES_ZH[k], *words) for k, words in WEATHER_PLACES_ZH.items()},
        "season": SEASONS_ZH,
        "mood": MOODS_ZH,
        "style": STYLES_ZH,
        "relation": {k: here for k, (here, _) in RELATIONS_ZH.items()},
    }
    tables = {"en": (english,), "zh": (chinese,), None: (english, chinese)}[language]
    return {
        name: {k: tuple(dict.fromkeys(word for table in tables for word in table[name][k])) for k in ids}
        for name, ids in english.items()
    }
