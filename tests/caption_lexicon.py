"""The words that the reader of captions knows: its own tables, of which the writer knows nothing."""

from __future__ import annotations

from typing import NamedTuple


class Token(NamedTuple):
    type: str
    value: str
    number: int = 0


def _lexicon(*tables: tuple[str, str]) -> dict[str, Token]:
    """`type`, then lines of `value: word | word`; a word that has two meanings is an error."""
    out: dict[str, Token] = {}
    for kind, text in tables:
        for line in text.strip().splitlines():
            value, _, spelled = line.strip().partition(":")
            for word in spelled.split("|"):
                assert word.strip() not in out, word
                out[word.strip()] = Token(kind, value.strip())
    return out


ENGLISH = _lexicon(
    (
        "one",
        """sun: sun
        moon: moon
        cloud: cloud
        mountain: mountain | peak
        tree: tree | broadleaf tree
        pine: pine | pine tree
        bamboo: bamboo plant
        flower: flower | blossom
        house: house
        pagoda: pagoda
        bridge: bridge
        boat: boat
        bird: bird
        cat: cat | kitty
        dog: dog
        horse: horse
        person: person | figure
        lantern: lantern | paper lantern
        kite: kite
        lamp: lamp post | street lamp
        fence: fence
        car: car | automobile
        balloon: balloon | hot-air balloon
        butterfly: butterfly
        mushroom: mushroom | toadstool
        bench: bench
        basket: basket | wicker basket
        pot: pot | flowerpot""",
    ),
    (
        "many",
        """sun: suns
        moon: moons
        cloud: clouds
        mountain: mountains | peaks
        tree: trees | broadleaf trees
        pine: pines | pine trees
        bamboo: bamboo plants
        flower: flowers | blossoms
        house: houses
        pagoda: pagodas
        bridge: bridges
        boat: boats
        bird: birds
        cat: cats | kitties
        dog: dogs
        horse: horses
        person: people | figures
        lantern: lanterns | paper lanterns
        kite: kites
        lamp: lamp posts | street lamps
        fence: fences
        car: cars | automobiles
        balloon: balloons | hot-air balloons
        butterfly: butterflies
        mushroom: mushrooms | toadstools
        bench: benches
        basket: baskets | wicker baskets
        pot: pots | flowerpots""",
    ),
    ("either", "fish: fish"),
    ("clump", "one: clump of\nmany: clumps of"),
    ("bamboo", "bamboo: bamboo"),
    (
        "colour",
        """red: red | scarlet
        orange: orange
        yellow: yellow
        green: green
        blue: blue
        purple: purple | violet
        pink: pink
        brown: brown
        black: black
        white: white
        grey: grey | gray""",
    ),
    ("size", "small: small | little | tiny\nmedium: medium-sized | mid-sized\nlarge: large | big"),
    (
        "setting",
        """meadow: meadow | grassy field | grassland
        forest: forest | woods | woodland
        mountains: highlands | mountain landscape | mountain view
        lake: lake | lakeside | lake view
        seaside: sea | seaside | coast | beach | seaside view
        village: village | country village
        city: city | city view
        garden: garden""",
    ),
    (
        "time",
        """dawn: dawn | daybreak | sunrise | morning | early in the morning
        day: day | daytime | afternoon
        dusk: dusk | twilight | sunset | evening
        night: night | late at night""",
    ),
    (
        "weather",
        """clear: clear | fine | clear sky | sky is clear
        cloudy: cloudy | overcast | sky is cloudy | sky is overcast | cloudy sky | overcast sky
        rain: rain | rainy | falling rain | it is raining | rain is falling
        snow: snowy | falling snow | snowfall | it is snowing | snow is falling
        fog: fog | mist | foggy | misty | fog lies over everything | everything is wrapped in mist""",
    ),
    (
        "season",
        """spring: spring | springtime
        summer: summer | summertime
        autumn: autumn | fall
        winter: winter | wintertime""",
    ),
    (
        "mood",
        """calm: calm | peaceful | quiet | tranquil | serene
        joyful: joyful | cheerful | happy
        sad: sad | melancholy | sorrowful
        angry: angry | furious | wrathful
        mysterious: mysterious | enigmatic | mystical
        festive: festive | celebratory""",
    ),
    (
        "style",
        """flat: flat vector illustration | flat illustration | flat vector picture | flat vector style
        pencil: pencil drawing | pencil sketch | drawn in pencil
        ink: ink wash painting | ink painting | in ink wash | painted in ink
        oil: oil painting | in oils | painted in oils
        pixel: pixel art | pixel art picture | pixel art image | piece of pixel art | pixel art style
        crayon: crayon drawing | wax crayon drawing | in crayon | drawn in crayon""",
    ),
    (
        "relation",
        """left of: left of | to the left of | on the left of
        right of: right of | to the right of | on the right of
        above: above | over
        below: below | beneath | under
        behind: behind
        in front of: in front of
        on: on | on top of
        inside: inside | in""",
    ),
    ("verb", "fly: fly | flies\nfloat: float | floats\nair: float in the air | floats in the air\nswim: swim | swims"),
    ("wear", "wear: dressed in | wearing"),
    ("clothes", "clothes: clothes"),
    ("be", "be: is | are"),
    ("there", "there: there"),
    ("the", "the: the"),
    ("a", "a: a | an | one | a single"),
    ("also", "also: also | as well | too"),
    (
        "small",
        """-: and | with | of | this | it | here | we see | you can see | shows | can be seen | picture | scene | mood
        -: atmosphere | weather | feels | everything | all of this | stand | stands | grow | grows | at | by | during
        -: as | early | time | season""",
    ),
    ("some", "2: some\n3: several | a few\n6: many"),
    ("end", "-: . | ,"),
)
COUNTS = (
    *("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen"),
    *("fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)
ENGLISH.update({word: Token("number", word, n) for n, word in enumerate(COUNTS, 2)})
ENGLISH["a pair of"] = ENGLISH["pair of"] = Token("number", "two", 2)

CHINESE = _lexicon(
    (
        "kind",
        """sun: 太阳
        moon: 月亮
        cloud: 云 | 云彩 | 云朵
        mountain: 山 | 山峰
        tree: 树 | 阔叶树
        pine: 松树
        bamboo: 竹子
        flower: 花 | 花儿
        house: 房子 | 房屋 | 屋子
        pagoda: 宝塔 | 塔
        bridge: 桥
        boat: 船
        bird: 鸟 | 鸟儿
        fish: 鱼 | 鱼儿
        cat: 猫 | 猫咪
        dog: 狗 | 狗狗
        horse: 马 | 马儿
        person: 人
        lantern: 灯笼
        kite: 风筝
        lamp: 路灯 | 街灯
        fence: 篱笆 | 栅栏
        car: 汽车 | 轿车
        balloon: 热气球
        butterfly: 蝴蝶
        mushroom: 蘑菇
        bench: 长椅 | 长凳
        basket: 篮子
        pot: 花盆""",
    ),
    ("build", "small: 小个子\nlarge: 大个子"),
    (
        "colour",
        """red: 红 | 红色 | 红色的
        orange: 橙色 | 橘色 | 橘 | 橙色的 | 橘色的
        yellow: 黄 | 黄色 | 黄色的
        green: 绿 | 绿色 | 绿色的
        blue: 蓝 | 蓝色 | 蓝色的
        purple: 紫 | 紫色 | 紫色的
        pink: 粉 | 粉色 | 粉红色 | 粉色的 | 粉红色的
        brown: 棕 | 棕色 | 褐色 | 棕色的 | 褐色的
        black: 黑 | 黑色 | 黑色的
        white: 白 | 白色 | 白色的
        grey: 灰 | 灰色 | 灰色的""",
    ),
    ("size", "small: 小 | 小小的\nmedium: 中等大小的 | 不大不小的\nlarge: 大 | 大大的"),
    ("measure", "-: 轮 | 朵 | 片 | 座 | 棵 | 株 | 丛 | 栋 | 间 | 艘 | 条 | 只 | 匹 | 个 | 盏 | 道 | 辆 | 张"),
    ("some", "2: 一些\n3: 几\n6: 许多"),
    (
        "setting",
        """meadow: 草地 | 草原 | 草地上 | 草原上 | 草甸上
        forest: 森林 | 树林 | 森林里 | 树林里 | 林间
        mountains: 山里 | 山间 | 群山之间 | 山景 | 群山
        lake: 湖边 | 湖畔 | 湖景 | 湖岸边 | 湖面上 | 湖里
        seaside: 海边 | 海滨 | 海景 | 沙滩上 | 海面上 | 海里
        village: 村庄 | 乡村 | 村子 | 村子里 | 村庄里 | 乡村里
        city: 城市 | 都市 | 城市里 | 城里 | 都市里
        garden: 花园 | 花园里 | 园子里""",
    ),
    (
        "time",
        """dawn: 清晨 | 黎明 | 拂晓 | 清早
        day: 白天 | 午后
        dusk: 傍晚 | 黄昏 | 日落时分 | 黄昏时分
        night: 夜里 | 夜晚 | 深夜 | 晚上 | 夜""",
    ),
    (
        "weather",
        """clear: 天气晴朗 | 天空晴朗 | 晴空下 | 晴朗
        cloudy: 阴云密布 | 天色阴沉 | 天空阴沉沉的 | 阴沉的天空下 | 阴云下 | 阴沉 | 多云
        rain: 下着雨 | 细雨蒙蒙 | 雨下个不停 | 雨中 | 细雨中 | 下雨 | 雨
        snow: 下着雪 | 雪花飘飘 | 漫天飞雪 | 雪中 | 飞雪中 | 飘着雪 | 雪
        fog: 雾气弥漫 | 四下雾蒙蒙的 | 薄雾笼罩 | 雾中 | 薄雾中 | 雾蒙蒙 | 有雾""",
    ),
    (
        "season",
        """spring: 春天 | 春季 | 春日 | 春
        summer: 夏天 | 夏季 | 夏日 | 夏
        autumn: 秋天 | 秋季 | 秋日 | 秋
        winter: 冬天 | 冬季 | 冬日 | 冬""",
    ),
    (
        "mood",
        """calm: 宁静 | 平静 | 静谧 | 安宁 | 安宁祥和
        joyful: 欢快 | 快乐 | 欢乐
        sad: 忧伤 | 悲伤 | 伤感
        angry: 愤怒 | 狂怒 | 怒气 | 怒意
        mysterious: 神秘 | 神秘莫测
        festive: 喜庆 | 喜气洋洋 | 节日""",
    ),
    (
        "style",
        """flat: 扁平插画 | 扁平风插画
        pencil: 铅笔画 | 铅笔素描
        ink: 水墨画 | 中国水墨画
        oil: 油画
        pixel: 像素画
        crayon: 蜡笔画""",
    ),
    (
        "side",
        """left of: 左边 | 左侧
        right of: 右边 | 右侧
        above: 上方
        below: 下方 | 下面
        behind: 后面 | 背后
        in front of: 前面 | 前方
        on: 上 | 上面
        inside: 里 | 里面""",
    ),
    ("sky", "sky: 天上 | 天空中 | 空中"),
    ("wear", "wear: 穿"),
    ("clothes", "clothes: 衣服的"),
    ("have", "have: 有 | 是"),
    ("at", "at: 在 | 坐在"),
    ("of", "of: 的"),
    ("end", "-: 。 | \uff0c | \uff1a"),
    ("this", "this: 这幅"),
    ("and", "-: 和 | 、 | 还有 | 另外还有 | 画里还有"),
    (
        "small",
        """-: 一幅 | 这是一幅 | 画风是 | 风格 | 画面上有 | 画中有 | 画里有 | 这里有 | 眼前是 | 一个 | 四周一片 | 气氛
        -: 一切都很 | 画面 | 到处洋溢着 | 充满 | 一派 | 景象 | 透着 | 弥漫着淡淡的 | 让人觉得 | 透着一股 | 弥漫着
        -: 气息 | 满是 | 透着几分 | 显得 | 洋溢着 | 到处 | 飘着 | 挂着 | 飞着 | 漂着 | 游着 | 立着 | 长着
        -: 停着 | 开着""",
    ),
)
DIGITS = {"一": 1, "两": 2, "二": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
MEASURES = {  # which measure words may count a kind
    **{"sun": "轮", "moon": "轮", "cloud": "朵片", "mountain": "座", "tree": "棵", "pine": "棵株", "bamboo": "丛"},
    **{"flower": "朵", "house": "座栋间", "pagoda": "座", "bridge": "座", "boat": "艘条", "bird": "只", "fish": "条"},
    **{"cat": "只", "dog": "只条", "horse": "匹", "person": "个", "lantern": "盏只", "kite": "只", "lamp": "盏"},
    **{"fence": "道", "car": "辆", "balloon": "只个", "butterfly": "只", "mushroom": "朵个", "bench": "张条"},
    **{"basket": "只个", "pot": "只个"},
}
