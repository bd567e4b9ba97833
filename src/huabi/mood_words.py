"""Words and what mood they speak of, in English and Chinese; `mood.py` reads texts by them.

A mood's words stand in three groups: those that name it (weight 3), go with it (2), or hint at it (1). `*` stands for
any ending of an English word. One word may stand under several moods.
"""

from __future__ import annotations

WEIGHTS = (3.0, 2.0, 1.0)

ENGLISH: dict[str, tuple[str, str, str]] = {
    "calm": (
        "calm* peace peaceful* quiet* tranquil* seren* placid* stillness restful relax* sooth*"
        " untroubled at_ease at_rest at_peace composed unhurried contented* mellow",
        "gentl* soft softly rest rested resting slow slowly breeze* lull* ease idle* slumber* asleep sleep*"
        " drows* doze* dozing cosy cozy comfort* meditat* breath* unwind* hush* harmon* balanced leisure* mild"
        " mildly drift* patient* lullaby silence silent* patience sigh_of_relief relief relieved safe safely"
        " simplicity simple",
        "lake pond sea tea book warm* evening sunset garden shade pillow bath blanket horizon floating"
        " still still_water moss sunday afternoon murmur* ripples cloud clouds smooth reading nap",
    ),
    "joyful": (
        "joy* happy happi* cheer* glad gladly gladness delight* merry merri* elat* ecsta* bliss* jubilan*"
        " gleeful* glee overjoyed thrilled thrilling euphori* jolly rejoic* exhilarat* on_top_of_the_world"
        " over_the_moon on_cloud_nine",
        "laugh* giggl* smil* grin* fun funny play playing plays played playful* dance* dancing sing sings"
        " singing love loved loves lovely wonderful* excit* amus* delicious sunny sunshine bright* hooray"
        " hurrah yay yippee lucky luck won win wins winning victory triumph* proud* pride success* hope"
        " hopeful* tickl* skip skips skipping skipped hopping great fantastic awesome amazing brilliant best"
        " beautiful* perfect grateful* thank* promoted promotion passed finally",
        "child children kids puppy puppies kitten* spring flowers rainbow* jump* leap* ran holiday holidays"
        " vacation beach ice_cream candy hug hugs hugged kiss* friend friends together sparkl* colourful"
        " colorful whistl* hum hummed wag wagging young birdsong new welcome reunion good nice summer",
    ),
    "sad": (
        "sad sadly sadness sadder sorrow* grie* mourn* melanchol* miserabl* misery heartbr* heartache"
        " depress* despair* desola* gloom* woe* forlorn unhapp* dejected downcast lament* anguish* hopeless*"
        " broken_heart",
        "cry cries cried crying tear tears tearful* weep* wept sob sobs sobbed sobbing lonel* lone alone miss"
        " missed misses missing lost loss losing lose gone died dead death dies dying funeral* grave graves"
        " buried burial widow* orphan* farewell goodbye regret* abandon* forsaken hurt hurts pain* suffer*"
        " wound* disappoint* despond* ache* aching never_again left_me left_her left_him broke_up heavy_heart"
        " heart_sank homesick* failed failure sorry tragic* tragedy pity bitter* bleak dreary ruin ruined"
        " feel_blue feeling_blue felt_blue",
        "empty emptiness grey gray rain rains raining wither* wilt* fade* fading cold winter autumn dull"
        " faint tired weary memory memories forgot* forgotten ill sick* hospital sigh* nobody no_one last"
        " old_photo photograph leaving left away fallen dusk letter silent broken poor",
    ),
    "angry": (
        "angr* anger fury furious* rage raged rages raging wrath* enraged irate outrag* livid mad madly hate"
        " hates hated hatred hateful resent* infuriat* indign* seething fuming",
        "shout* yell* scream* roar* slam* smash* fight* fought punch* kick* curse* cursed swear swore insult*"
        " betray* liar lied lies cheat* unfair* injust* revenge vengeance annoy* irritat* fed_up sick_of"
        " enough how_dare dare* furor hostile attack* clench* glare* glared growl* snarl* threw violen*"
        " brutal* explod* storming stormed boil* blood_boil* scold* quarrel* argu* stupid idiot* damn* threat*"
        " temper war battle* frustrat* provoke* rebel* riot* disgust* stole stolen thief",
        "red fist* teeth fire flame* burning storm storms thunder* hit hits beat broke crash* hard blame*"
        " enemy enemies shut door always fault tore torn stamp* stomp* banging clash* lightning",
    ),
    "mysterious": (
        "myster* enigma* mystic* eerie* uncanny secret* arcane occult cryptic* unexplained supernatural"
        " otherworld* inexplicabl* unfathom* riddle* puzzl* hidden spook* haunt*",
        "strange* unknown shadow* ghost* phantom* spirit spirits whisper* dark darkness fog foggy mist misty"
        " ancient magic* spell spells witch* wizard* sorcer* ritual* rune* symbol* vanish* disappear* curious*"
        " wonder_what nobody_knows no_one_knows who_knows veil* masked labyrinth* maze cave cavern* tomb*"
        " crypt oracle prophec* hooded stranger moonlit unseen legend* forbidden invisible weird* footprints"
        " abyss omen",
        "night midnight moon moonlight forest owl raven crow candle* deep depth* key door lantern_light old"
        " forgotten lost tower ruins silver star stars dream* glow* glimmer* flicker* cat_eyes eyes behind"
        " beneath attic corridor staircase map clue* silent empty letter",
    ),
    "festive": (
        "festiv* celebrat* carnival* party parties feast* gala fiesta revel* holiday_season merrymaking",
        "birthday* wedding* christmas xmas new_year* spring_festival lunar_new_year easter halloween"
        " thanksgiving anniversar* firework* firecracker* parade* toast* champagne lantern lanterns balloon*"
        " confetti decorat* garland* banquet* ceremon* ball gift* presents drum drums drumming trumpet* band"
        " bunting ribbon* dragon_dance lion_dance countdown graduation festoon* congratulat* cheers"
        " housewarming fair fairground",
        "music dance* dancing song songs crowd* guests guest candle candles cake cakes wine street gather*"
        " family red gold golden lights glitter* costume* bells invited invitation everyone tonight together"
        " joy* december clinking",
    ),
}

CHINESE: dict[str, tuple[str, str, str]] = {
    "calm": (
        "平静 宁静 安静 静谧 安宁 恬静 平和 祥和 安详 宁谧 心如止水 岁月静好 心平气和 悠闲 闲适 从容 淡然"
        " 恬淡 惬意 安逸 放松",
        "轻柔 柔和 温柔 舒缓 微风 清风 慢慢 缓缓 静静 悄悄 轻轻 徐徐 休息 入睡 睡着 熟睡 沉睡 午睡 打盹 呼吸"
        " 冥想 打坐 舒服 舒适 自在 安心 踏实 松了一口气 散步 悠然 悠悠 宁 静 闲 安稳 温和 不急 从容不迫 发呆"
        " 摇篮曲 涟漪",
        "湖 湖水 湖面 池塘 溪水 流水 茶 喝茶 看书 读书 午后 黄昏 夕阳 晚霞 云 白云 月光 树荫 竹林 清晨 荷花"
        " 暖 温暖 毯子 水面 垂钓 钓鱼 小舟 炊烟",
    ),
    "joyful": (
        "快乐 开心 高兴 欢乐 喜悦 欢快 愉快 欢喜 兴奋 欣喜 幸福 狂喜 雀跃 乐呵呵 兴高采烈 心花怒放 喜出望外"
        " 眉开眼笑 欢天喜地 欣喜若狂 美滋滋 欢笑 乐",
        "笑 微笑 大笑 哈哈 嘻嘻 笑容 笑声 玩耍 好玩 有趣 唱歌 歌唱 跳舞 蹦蹦跳跳 蹦 喜欢 爱 可爱 美好 精彩"
        " 好运 幸运 赢 胜利 成功 骄傲 自豪 希望 感谢 感恩 太好了 太棒 棒 真好 万岁 惊喜 甜蜜 甜 灿烂 阳光 明媚"
        " 活泼 如愿 考上 录取 通过了 升职 团聚 重逢 终于 拥抱 满足",
        "孩子 小狗 小猫 春天 花开 鲜花 彩虹 跑 跳 假期 放假 海滩 冰淇淋 糖 朋友 一起 晴朗 鸟鸣 新 哼 哼着"
        " 礼物 吹口哨 夏天 好吃 糖果 蝴蝶",
    ),
    "sad": (
        "悲伤 伤心 难过 忧伤 悲哀 悲痛 哀伤 忧郁 伤感 沮丧 绝望 凄凉 痛苦 抑郁 心碎 悲凉 凄惨 哀愁 惆怅 愁 悲"
        " 哀 伤悲 痛心 肝肠寸断 心如刀割 黯然 失落 心酸",
        "哭 哭泣 泪 眼泪 泪水 流泪 落泪 泪流满面 哽咽 孤独 寂寞 孤单 孤零零 思念 想念 怀念 失去 离开 离去"
        " 去世 逝世 过世 死 葬礼 坟 墓 告别 永别 离别 分手 分离 遗憾 后悔 抛弃 受伤 失望 叹息 叹气 苦 苦涩"
        " 凋零 凋谢 枯萎 凄 想家 思乡 乡愁 失败 落榜 可怜 断肠 不幸 再也 没能 无助 低落 委屈 冷清 阴郁 灰心",
        "空荡荡 空 灰色 雨 秋雨 落叶 冷 冬天 秋风 旧照片 照片 回忆 生病 病 医院 疲惫 累 一个人 独自 远去 背影"
        " 残 破碎 消逝 沉重 最后 暮色 老人 没有人",
    ),
    "angry": (
        "愤怒 生气 恼火 恼怒 气愤 发火 暴怒 狂怒 怒火 怒气 大怒 发怒 怒 愤 火冒三丈 怒不可遏 气死 怒气冲冲"
        " 暴跳如雷 愤愤不平 恨 仇恨 憎恨 痛恨 义愤填膺 忍无可忍 气",
        "吼 怒吼 咆哮 大喊 大叫 吵架 争吵 吵 骂 咒骂 打架 打人 摔 砸 踢 背叛 骗子 欺骗 骗 撒谎 谎言 不公平"
        " 不公 凭什么 报复 复仇 讨厌 烦死 烦躁 受够 够了 可恶 混蛋 该死 滚 瞪 咬牙切齿 握紧拳头 拳头 暴躁 敌人"
        " 攻击 侮辱 岂有此理 太过分 过分 欺负 抗议 厌恶 冲突 战争 战斗 偷走 偷",
        "火 火焰 燃烧 暴风雨 雷 雷霆 闪电 爆发 爆炸 撕 撞 撞开 通红 涨红 摔门 门 责怪 怪你 居然 竟然 狠狠 猛 冲",
    ),
    "mysterious": (
        "神秘 诡异 玄妙 奇异 神秘莫测 谜 谜团 谜语 秘密 不可思议 匪夷所思 离奇 幽深 深不可测 扑朔迷离 灵异"
        " 莫名 奥秘 隐秘 诡秘 神奇 玄",
        "奇怪 未知 影子 黑影 阴影 鬼 幽灵 鬼魂 精灵 低语 耳语 黑暗 雾 迷雾 浓雾 古老 远古 魔法 咒语 巫师 女巫"
        " 仪式 符文 符号 消失 不见 面具 迷宫 山洞 洞穴 古墓 预言 陌生人 传说 禁地 隐形 脚印 没人知道 无人知晓"
        " 谁也不知道 不为人知 若隐若现 隐约 莫非 深渊 蒙面 暗号 密室 密码 失踪 诡 幽暗 幽 古堡 古宅 捉摸",
        "夜 深夜 午夜 月 月光 森林 猫头鹰 乌鸦 蜡烛 烛光 深处 钥匙 古 废墟 塔 星 星星 梦 微光 闪烁 眼睛 背后"
        " 阁楼 走廊 地图 线索 暗 神 石碑 井",
    ),
    "festive": (
        "喜庆 节日 庆祝 欢庆 喜气洋洋 张灯结彩 热闹 庆典 过年 狂欢 节庆 普天同庆 庆贺 锣鼓喧天 派对 聚会 欢聚一堂",
        "生日 婚礼 结婚 圣诞 新年 春节 元旦 元宵 中秋 端午 除夕 国庆 周年 烟花 鞭炮 爆竹 游行 干杯 香槟 灯笼"
        " 气球 彩带 花车 宴会 宴席 年夜饭 团圆 舞龙 舞狮 锣鼓 鼓 红包 春联 对联 贺 恭喜 祝贺 拜年 灯会 庙会"
        " 毕业 典礼 盛会 喜事 喜 乔迁 倒计时 礼花 嫁 喜糖 装饰",
        "音乐 跳舞 歌舞 人群 客人 宾客 蛋糕 酒 美酒 满街 街上 全家 一家人 红色 红 金色 彩灯 灯火 闪亮 礼物"
        " 大家 今晚 团聚 饺子 月饼 钟声 人山人海",
    ),
}

EMOJI: dict[str, str] = {
    "calm": "😌🧘🍃🌿🌊🕊☕🍵🌅🛀😴💤🌙",
    "joyful": "😀😃😄😁😆😊🙂😂🤣😍🥰😘☺😺🌈🌞☀💛❤💕🤩😎👍🌻🥳",
    "sad": "😢😭😞😔😟🙁☹😥😿💔🥺🥀😩😓🖤",
    "angry": "😠😡🤬😤👿💢👊🔥🌋",
    "mysterious": "🔮👻🕯🌫🦉🌘🌑👁🗝🧙🕷🦇🕸🎭",
    "festive": "🎉🎊🎆🎇🧨🥳🎂🎈🎁🎄🏮🥂🍾🧧🎺🥁",
}

PLAIN = (  # phrases that say nothing of a mood, though a word in them does
    "on_the_left to_the_left the_left left_hand left_side left_of turn_left still_life light_rain rain_boots"
    " fire_station fire_engine hot_air_balloon red_light"
)
PLAIN_ZH = (
    "天气 空气 气候 气温 气象 香气 力气 客气 运气 语气 气味 气息 气质 雾气 热气 冷气 蒸气"
    " 水气 口气 勇气 气氛 人气 天空 航空 太空 夜空 空间 空中 高空 半空 空地 空调 有空 门口"
    " 大门 专门 部门 门票 出门 进门 门前 家门 城门 后门 校门 房门 热门 门窗 门外 门牌 开门"
    " 关门 敲门 门铃 冲浪 冲洗 冲茶 冲泡 冲上 未来 未必 别人 别墅 分别 区别 性别 级别 类别"
    " 个别 别处 无论 无数 无线 无关 无名 火车 火锅 火鸡 火柴 火箭 火腿 雷达 新闻 重新 最新"
    " 新手 跑步 跑车 跳水 跳棋 心跳 爱好 苦瓜 苦练 苦读 冷静 冷饮 雨伞 雨衣 雨林 雨靴 积累"
    " 累积 月份 岁月 个月 几月 星期 明星 歌星 球星 梦想 考古 古典 神经 精神 神情 眼神 留神"
    " 神色 井然 市井 鼓励 鼓掌 贺卡 乐器 乐队 酒店 酒精 酒窝 红绿灯 红茶 红薯 红酒 能够"
    " 足够 滚动 翻滚 打滚 摔跤 拳击 死板 生死 老人家 残余 灰色调 暗示 幽默"
)
NEGATIONS = (  # within a few words before
    "not no never without nothing none neither nor hardly barely cannot cant isnt arent wasnt werent dont"
    " doesnt didnt wont wouldnt couldnt shouldnt aint far_from free_of less lacks lacking stopped"
)
NEGATIONS_ZH = (
    "不 没 没有 毫无 无 别 并非 不再 从不 从未 未 莫 绝不 不是 不会 不能 不必 不用 一点也不 并不 毫不 不太"
    " 不要 未曾 远离"
)
NO_NEGATIONS = "not_only no_wonder nothing_but cannot_help not_just"
NO_NEGATIONS_ZH = (
    "不仅 不但 不禁 不得不 不由得 忍不住 不光 不只 无比 无限 无边 不停 不断 不住 不已 无尽 止不住 无声 无意"
)
STRONGER = "very so extremely really truly deeply utterly absolutely completely too totally most such terribly"
STRONGER_ZH = "非常 很 太 十分 极 极其 极了 特别 真 好 多么 万分 格外 无比 深深 无限"
WEAKER = "slightly somewhat bit little rather faintly almost"
WEAKER_ZH = "有点 有些 略 稍 稍微 微微 一点 一丝 几分 淡淡"
TURNS = "but however yet though instead nevertheless"
TURNS_ZH = "但 但是 可 可是 然而 却 不过 反而"
UNLIKE: dict[str, dict[str, float]] = {  # what is meant where a mood is denied, by share
    "calm": {"angry": 0.4, "sad": 0.1},
    "joyful": {"sad": 0.8},
    "sad": {"joyful": 0.5, "calm": 0.5},
    "angry": {"calm": 0.8, "joyful": 0.1},
    "mysterious": {"calm": 0.1, "joyful": 0.1},
    "festive": {"sad": 0.3, "calm": 0.3},
}
