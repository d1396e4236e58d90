"""The words for codes, in Chinese (domain.md 8, "Words"; docs/glossary.md); English stands in the catalogue."""

from shared.web.language import _

ROLES = {
    "bureau": _("民政局"),
    "town": _("镇（街道）"),
    "community": _("社区"),
    "grid_worker": _("网格员"),
    "social_worker": _("社工"),
    "centre_staff": _("照料中心"),
    "organisation_staff": _("护理员"),
    "dispatcher": _("组织调度"),
    "volunteer": _("志愿者"),
    "resident": _("老人"),
    "family": _("家属"),
    "planner": _("计划员"),
    "auditor": _("审计"),
    "scorer": _("评审专家"),
}
KINDS = {
    "meal": _("送餐"),
    "care": _("生活照料"),
    "bathing": _("助浴"),
    "cleaning": _("家务"),
    "escort": _("陪诊"),
    "companionship": _("陪伴"),
    "phone_call": _("电话问候"),
    "medication": _("用药提醒"),
    "rehabilitation": _("康复"),
    "haircut": _("理发"),
    "repair": _("小修"),
    "digital": _("手机辅导"),
    "social_work": _("社工探访"),
}
SKILLS = {
    "companionship": _("陪伴聊天"),
    "meal": _("送餐助餐"),
    "cleaning": _("家务保洁"),
    "bathing": _("助浴"),
    "care": _("生活照料"),
    "nursing": _("护理"),
    "medication": _("用药提醒"),
    "escort": _("陪诊"),
    "rehabilitation": _("康复"),
    "haircut": _("理发"),
    "repair": _("维修"),
    "digital": _("智能手机辅导"),
    "sign_language": _("手语"),
    "counselling": _("心理慰藉"),
    "social_work": _("社会工作"),
}
LICENCES = {
    "care_worker": _("养老护理员证"),
    "nurse": _("护士执业证"),
    "social_worker": _("社会工作者证"),
    "rehabilitation": _("康复治疗师证"),
}
DIALECTS = {
    "mandarin": _("普通话"),
    "jianghuai": _("江淮官话"),
    "wu": _("吴语"),
    "cantonese": _("粤语"),
}
SEXES = {"female": _("女"), "male": _("男")}
TRAVEL = {
    "walk": _("步行"),
    "bicycle": _("自行车"),
    "ebike": _("电动车"),
    "bus": _("公交"),
    "car": _("汽车"),
}
LIMITS = {"lifting": _("不搬抬"), "stairs": _("不爬楼")}
GRADES = {
    "intact": _("完好"),
    "mild": _("轻度"),
    "moderate": _("中度"),
    "severe": _("重度"),
    "total": _("完全失能"),
    "unknown": _("未评估"),
}
URGENCIES = {"routine": _("一般"), "soon": _("较急"), "urgent": _("紧急")}
CHANNELS = {
    "public_direct": _("公办直接"),
    "public_purchased": _("政府购买"),
    "market": _("居民自费"),
    "volunteer": _("志愿服务"),
}
COLLECTED = {"self": _("本人"), "family": _("家属"), "phone": _("电话"), "paper": _("纸面")}
CAPACITIES = {"volunteer": _("志愿者"), "employed": _("护理员"), "stipended": _("补贴值守")}
PARTS = {"morning": _("上午"), "afternoon": _("下午"), "evening": _("晚上")}
PART_HOURS = {"morning": "8:00–12:00", "afternoon": "12:00–18:00", "evening": "18:00–21:00"}
OUTCOMES = {
    "done": _("完成"),
    "cut_short": _("提前结束"),
    "no_answer": _("无人应答"),
    "refused": _("老人谢绝"),
    "unwell": _("身体不适"),
    "carer_absent": _("服务人员未到"),
    "cancelled": _("已取消"),
}
# state of a visit: word, icon, colour (pages.md)
STATES = {
    "open": (_("待安排"), "circle-dashed", "grey"),
    "offered": (_("已邀请"), "send", "amber"),
    "accepted": (_("已答应"), "check", "green"),
    "rostered": (_("已排定"), "check", "green"),
    "proposed": (_("待发布"), "circle-dashed", "grey"),
    "declined": (_("已婉拒"), "slash", "grey"),
    "lapsed": (_("已过期"), "slash", "grey"),
    "withdrawn": (_("已退出"), "slash", "grey"),
    "released": (_("已取消安排"), "slash", "grey"),
    "started": (_("已到"), "map-pin", "blue"),
    "done": (_("已完成"), "check-check", "ink"),
    "unmet": (_("未能安排"), "circle-x", "outline"),
    "suspended": (_("暂停（老人不在）"), "pause", "grey"),
    "cancelled": (_("已取消"), "slash", "struck"),
    "late": (_("迟到"), "triangle-alert", "red"),
    "no_answer": (_("无人应答"), "triangle-alert", "red"),
    "unwell": (_("身体不适"), "triangle-alert", "red"),
}
ATTENDANCE = {
    "expected": _("待到"),
    "in": _("已到"),
    "out": _("待确认"),
    "confirmed": _("已确认"),
    "no_show": _("未到"),
    "disputed": _("有异议"),
}
BANDS = {
    "within_500m": _("500 米以内"),
    "within_1km": _("1 公里以内"),
    "within_3km": _("3 公里以内"),
    "within_5km": _("5 公里以内"),
    "over_5km": _("5 公里以上"),
}
REASONS = {
    "came_before": _("您以前去过"),
    "has_skill": _("您会这项服务"),
    "speaks_dialect": _("您会说老人的方言"),
    "lives_near": _("离您家近"),
}
UNMET = {
    "no_skill": _("附近没有人会这项服务"),
    "no_clearance": _("没有人具备所需的许可或保险"),
    "not_available": _("这个时间没有人有空"),
    "too_far": _("有空的人都太远"),
    "no_units": _("合同剩余的服务量不够"),
    "all_busy": _("能来的人都安排在更要紧的服务上"),
    "wishes": _("老人或服务人员的意愿不合"),
    "not_placed": _("老人的住址还没有定位"),
}
FUNNEL = {
    "skill": _("会这项服务"),
    "cleared": _("许可、保险齐全"),
    "wishes": _("双方愿意"),
    "reach": _("到得了、时间有空"),
    "free": _("没有别的安排"),
}
ABSENCES = {
    "hospital": _("住院"),
    "with_family": _("去家人处"),
    "moved": _("搬走"),
    "deceased": _("去世"),
}
TASKS = {
    "unmet": _("未能安排，请告知老人"),
    "red": _("请马上联系"),
    "change_request": _("老人或家属请求更改"),
    "dispute": _("服务人员对记录有异议"),
    "complaint": _("不满意的评价"),
}
NEED_STATES = {"active": _("进行中"), "ended": _("已结束"), "cancelled": _("已取消")}
PLACES = {"home": _("家里"), "centre": _("照料中心"), "other": _("其他地点")}
COPY = {
    "new": _("将复制"),
    "recurring": _("重复需求已包含"),
    "absent": _("老人不在"),
    "holiday": _("公休日"),
    "past": _("已经过去"),
    "copied": _("已复制过"),
}
VOLUNTEER_STATES = {
    "pending": _("待批准"),
    "approved": _("已批准"),
    "suspended": _("已停用"),
    "left": _("已离开"),
}
PLAN_STATES = {
    "queued": (_("排队中"), "clock", "grey"),
    "running": (_("正在计算"), "refresh-cw", "blue"),
    "ready": (_("待发布"), "send", "amber"),
    "held": (_("暂缓发布"), "pause", "amber"),
    "published": (_("已发布"), "check", "green"),
    "superseded": (_("已被新计划代替"), "slash", "grey"),
    "failed": (_("计算失败"), "triangle-alert", "red"),
    "cancelled": (_("已取消"), "slash", "struck"),
}
SOLVING = {  # after what the solver told last
    "": _("正在读取服务、人员和合同"),
    "first plan": _("有了第一份计划，正在找更好的搭配"),
    "columns": _("正在找更好的搭配，并证明最多能做到多少"),
    "whole duties": _("正在把搭配一个个定下来"),
    "areas": _("正在同时给各片区找搭配"),
    "seams": _("正在把相邻片区连起来，重新找搭配"),
    "planned": _("这一天排好了，接着排下一天"),
    "finished": _("排好了，正在查明没安排上的原因"),
    "tours": _("正在试不同的路线"),
    "search": _("正在调换着找更好的"),
}
AT_ONCE = ("areas", "seams", "tours", "search")  # all days of a plan
STOPPED = {
    "rounds": _("算到规定的轮数为止，还可能有更好的。"),
    "seconds": _("算到时间上限为止，还可能有更好的。"),
    "megabytes": _("内存用到上限为止，还可能有更好的。"),
    "linear program": _("有一步没有算成，用的是其余各步的结果。"),
}
ITEMS = {  # GB/T 42195-2022
    "eating": _("进食"),
    "grooming": _("修饰"),
    "bathing": _("洗澡"),
    "upper_garment": _("穿脱上衣"),
    "lower_garment": _("穿脱裤子和鞋袜"),
    "bladder": _("小便控制"),
    "bowel": _("大便控制"),
    "toilet": _("如厕"),
    "bed_transfer": _("床上体位转移"),
    "chair_transfer": _("床椅转移"),
    "walking": _("平地行走"),
    "stairs": _("上下楼梯"),
    "time": _("时间定向"),
    "space": _("空间定向"),
    "person": _("人物定向"),
    "memory": _("记忆"),
    "understanding": _("理解能力"),
    "expression": _("表达能力"),
    "aggression": _("攻击行为"),
    "depression": _("抑郁症状"),
    "consciousness": _("意识水平"),
    "vision": _("视力"),
    "hearing": _("听力"),
    "daily_affairs": _("执行日常事务"),
    "social_contact": _("社会交往能力"),
    "transport": _("使用交通工具外出"),
}
_CODES = tuple(ITEMS)
ITEM_GROUPS = {
    _("自理能力（32 分）"): _CODES[:8],
    _("基础运动能力（15 分）"): _CODES[8:12],
    _("精神状态（28 分）"): _CODES[12:21],
    _("感知觉与社会参与（15 分）"): _CODES[21:],
}
ITEM_POINTS = {  # the most that an item can have; 4 where not named
    **dict.fromkeys(("aggression", "depression"), 1),
    **dict.fromkeys(("consciousness", "vision", "hearing"), 2),
    **dict.fromkeys(("stairs", "transport"), 3),
}
LEVELS = {  # of self-care
    4: _("自己完成"),
    3: _("要人提醒或照看"),
    2: _("要人动手，自己为主"),
    1: _("主要靠人，自己配合"),
    0: _("全靠别人"),
}
LOAD = {
    "none": _("没有排到"),
    "to_2": _("2 小时以内"),
    "to_5": _("2–5 小时"),
    "to_10": _("5–10 小时"),
    "over": _("10 小时以上"),
}
RULE_UNITS = {
    "岁": _("岁"),
    "次": _("次"),
    "米": _("米"),
    "米/分": _("米/分钟"),
    "%": "%",
    "米/度": _("米/度"),
    "分钟": _("分钟"),
    "分": _("分"),
    "个": _("个"),
    "分/次": _("分"),
    "分/分钟": _("分"),
    "分/小时": _("分"),
    "分/人": _("分"),
    "分钱/分": _("分钱"),
    "": "",
}
RULES = {
    "serve.visit": _("一次服务有人来"),
    "serve.total": _("老人完全失能，加"),
    "serve.severe": _("老人重度失能，加"),
    "serve.moderate": _("老人中度失能，加"),
    "serve.mild": _("老人轻度失能，加"),
    "serve.intact": _("老人能力完好，加"),
    "serve.unknown": _("老人未评估，加"),
    "serve.routine": _("需求一般，加"),
    "serve.soon": _("需求较急，加"),
    "serve.urgent": _("需求紧急，加"),
    "serve.vital": _("要紧的服务（送餐、用药、独居探访），加"),
    "serve.lone": _("单独上门有风险，加"),
    "channel.public_direct": _("由公办直接服务"),
    "channel.volunteer": _("由志愿者服务"),
    "channel.public_purchased": _("由政府购买服务"),
    "channel.market": _("由居民自费服务"),
    "cost.fen_per_point": _("每花多少钱减一分"),
    "continuity.earlier_visit": _("以前去过这位老人，每次加"),
    "continuity.most": _("以前去过，最多加"),
    "wish.dialect": _("会说老人希望的方言，加"),
    "wish.sex": _("合老人希望的性别，加"),
    "travel.minute": _("路上每分钟"),
    "late.minute": _("比约好的晚到，每分钟"),
    "late.worst": _("其中晚得最多的那一次，每分钟另加"),
    "wish.other": _("来的不是老人想要的人"),
    "wait.minute": _("班次里在两次服务之间等，每分钟"),
    "overtime.minute": _("班次结束了还没忙完，每分钟"),
    "idle.most": _("班次里空闲最多的那个人，每分钟"),
    "break.missed": _("该有的用餐休息没有"),
    "uneven.minute": _("当天工作时长和平均相差，每人每分钟"),
    "load.hour": _("近四周每服务一小时"),
    "load.most": _("近四周服务多，最多"),
    "load.repeat": _("同一天再排一次"),
    "stability.told": _("补缺时改动别人的拟定安排，每人"),
    "age.least": _("志愿者最小年龄"),
    "age.lifting_most": _("能搬抬的最大年龄"),
    "volunteer.visits_a_day": _("志愿者一天最多几次"),
    "reach.walk": _("步行最远"),
    "reach.bicycle": _("骑自行车最远"),
    "reach.ebike": _("骑电动车最远"),
    "reach.bus": _("坐公交最远"),
    "reach.car": _("开车最远"),
    "speed.walk": _("步行速度"),
    "speed.bicycle": _("自行车速度"),
    "speed.ebike": _("电动车速度"),
    "speed.bus": _("公交速度"),
    "speed.car": _("汽车速度"),
    "travel.detour": _("路长是直线距离的"),
    "travel.degree_lon": _("经度一度"),
    "travel.degree_lat": _("纬度一度"),
    "pair.grid": _("双人服务开始时间的间隔"),
    "pair.starts": _("双人服务试几个开始时间"),
    "offer_longest_hours": _("邀请最长等几小时"),
    "offer_shortest_minutes": _("邀请最短等几分钟"),
    "offer_share_of_time_left": _("邀请的时限占到服务开始还剩时间的比例"),
    "offer_early_visit_before": _("几点以前的服务夜里也计时"),
    "quiet_hours_start": _("夜里不打扰，从"),
    "quiet_hours_end": _("夜里不打扰，到"),
    "offer_near_hours": _("几小时内的服务同时邀请多人"),
    "offer_near_asked": _("同时邀请几人"),
    "open_offers_a_volunteer": _("一位志愿者最多几份未答的邀请"),
    "horizon_days": _("计划几天"),
    "auto_publish_at": _("自动发布的时间"),
    "late_after_minutes": _("开始几分钟没到算迟到"),
    "record_within_working_days": _("几个工作日内记录"),
    "address_hidden_after_hours": _("服务后几小时收回住址"),
    "unmet_tasks_at": _("前一天几点列出没安排的"),
    "materialised_days": _("重复的需求提前排出几天"),
    "card_session_days": _("用卡登录保持几天"),
    "session_hours": _("用密码登录保持几小时"),
    "sign_in_attempts": _("密码最多试几次"),
    "sign_in_pause_minutes": _("试错后等几分钟"),
    "sign_in_attempts_an_address": _("同一网络最多试几次"),
    "access_token_minutes": _("登录凭据有效几分钟"),
    "signing_key_days": _("签名密钥用几天"),
    "volunteer_youngest": _("登记志愿者的最小年龄"),
    "volunteer_daily_minutes": _("志愿者一天最多几分钟"),
    "volunteer_weekly_minutes": _("志愿者一周最多几分钟"),
    "employed_daily_minutes": _("护理员一天最多几分钟"),
    "employed_weekly_minutes": _("护理员一周最多几分钟"),
    "star_1_hours": _("一星志愿者的时数"),
    "star_2_hours": _("二星志愿者的时数"),
    "star_3_hours": _("三星志愿者的时数"),
    "star_4_hours": _("四星志愿者的时数"),
    "star_5_hours": _("五星志愿者的时数"),
}
PRICE_GROUPS = (  # by the beginnings of their ids; the last is what no service's data hold yet
    (_("有没有人来"), ("serve.",)),
    (_("由谁来，花多少钱"), ("channel.", "cost.")),
    (_("老熟人和愿望"), ("continuity.", "wish.dialect", "wish.sex")),
    (_("路上和负担"), ("travel.", "load.", "stability.")),
    (
        _("班次、约好的到达时间、想要的人"),
        ("late.", "wish.other", "wait.", "overtime.", "idle.", "break.", "uneven."),
    ),
)
UNITS = {"visit": _("次"), "hour": _("小时"), "person_time": _("人次")}
FACES = {3: (_("满意"), "smile"), 2: (_("一般"), "meh"), 1: (_("不满意"), "frown")}
WEEKDAYS = (_("周一"), _("周二"), _("周三"), _("周四"), _("周五"), _("周六"), _("周日"))
RRULE_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
ACTIONS = {
    "resident.read": _("查看了资料"),
    "resident.change": _("修改了资料"),
    "resident.register": _("登记"),
    "visit.address": _("查看了住址"),
    "assessment.record": _("登记了评估"),
    "assessment.withdraw": _("撤回了同意"),
    "absence.add": _("登记了外出"),
    "absence.remove": _("取消了外出"),
    "need.post": _("提出了需求"),
    "need.cancel": _("取消了需求"),
    "need.change": _("更改了需求"),
    "block.add": _("登记了“不再安排”"),
    "block.lift": _("取消了“不再安排”"),
    "visit.rate": _("评价了服务"),
    "event.replay": _("重试了失败的消息"),
    "event.discard": _("放弃了失败的消息"),
    "events.rebuild": _("重新读入了消息"),
    "visit.accept": _("确认了服务"),
    "visit.cancel": _("取消了服务"),
    "visit.outcome": _("登记了结果"),
    "resident.family": _("登记了家属"),
}

SERVICES = {
    "daycare": _("日间照料"),
    "matcher": _("排班"),
    "volunteers": _("志愿者"),
    "projects": _("合同和机构"),
    "identity": _("账号"),
}
METHODS = {
    "open_tender": _("公开招标"),
    "consultation": _("竞争性磋商"),
    "single_source": _("单一来源"),
    "framework": _("框架协议"),
    "venture": _("公益创投"),
}
CALL_STAGES = {
    "draft": (_("起草中"), "pencil", "grey"),
    "consulting": (_("征求意见"), "users", "blue"),
    "consulted": (_("可以发布"), "send", "amber"),
    "published": (_("公告中"), "clock", "blue"),
    "deadline_over": (_("待开标"), "lock", "amber"),
    "opened": (_("评审中"), "scale", "amber"),
    "scored": (_("待定结果"), "list", "amber"),
    "awarded": (_("结果公示"), "badge-check", "green"),
    "signed": (_("履约中"), "check", "green"),
    "closed": (_("已结项"), "check-check", "ink"),
    "archived": (_("已归档"), "book-open", "ink"),
    "void": (_("废标"), "slash", "grey"),
    "terminated": (_("终止"), "slash", "grey"),
}
CALL_STEPS = {
    "draft": _("起草"),
    "consulting": _("征求意见"),
    "published": _("发布"),
    "opened": _("开标"),
    "scored": _("评审"),
    "awarded": _("公示结果"),
    "signed": _("签约履约"),
    "closed": _("结项"),
    "archived": _("归档"),
    "void": _("废标"),
    "terminated": _("终止"),
}
CALL_GROUPS = {"open": _("进行中"), "running": _("履约中"), "ended": _("已结束")}
THEMES = {
    "elder_care": _("养老助老"),
    "special_needs": _("特殊群体帮扶"),
    "youth": _("青少年服务"),
    "community": _("社区治理与便民"),
}
BENEFICIARIES = {"old": _("为老"), "young": _("为小"), "poor": _("为困"), "disabled": _("为残")}
CRITERION_KINDS = {"quality": _("评委打分"), "price": _("按价格计算")}
NOTICES = {
    "consultation": _("征求意见公告"),
    "call": _("采购公告"),
    "amendment": _("更正公告"),
    "award": _("结果公告"),
    "ended": _("终止或废标公告"),
    "contract": _("合同公告"),
    "contract_change": _("合同变更公告"),
    "award_void": _("结果作废公告"),
    "acceptance": _("验收结果公告"),
    "payment": _("付款公开"),
    "grant_stopped": _("停止拨付公告"),
    "grant_resumed": _("恢复拨付公告"),
}
ORGANISATION_KINDS = {
    "social_organisation": _("社会组织"),
    "centre": _("照料中心"),
    "firm": _("企业"),
    "institution": _("公益二类事业单位"),
    "collective": _("集体经济组织"),
    "committee": _("居民委员会"),
}
PAPERS = {
    "registration": _("登记证书"),
    "rating": _("评估等级证书"),
    "licence": _("许可证"),
    "social_security": _("社保缴纳证明"),
    "tax": _("纳税证明"),
    "audit": _("审计报告"),
}
BID_STATES = {
    "draft": (_("草稿，未提交"), "pencil", "grey"),
    "submitted": (_("已提交，密封"), "lock", "green"),
    "withdrawn": (_("已撤回"), "undo-2", "grey"),
    "opened": (_("已开标"), "eye", "ink"),
    "refused": (_("无效"), "circle-x", "red"),
}
CHALLENGE_STATES = {
    "open": _("等待答复"),
    "rejected": _("不成立"),
    "upheld": _("成立"),
    "withdrawn": _("已撤回"),
}
APPLICANT_KINDS = {
    "social_organisation": _("社会组织"),
    "firm": _("企业"),
    "institution": _("公益二类事业单位"),
    "institution_first": _("公益一类事业单位"),
    "collective": _("集体经济组织"),
    "committee": _("居民委员会"),
}
APPLICATION_STATES = {"applied": _("已收到，等待核对"), "admitted": _("已通过"), "refused": _("未通过")}
REFUSED_BY = {"resident": _("老人本人"), "family": _("家属"), "centre": _("照料中心")}
REFUSAL_OUTCOMES = {
    "payable": (_("认定合格，可以付款"), "check", "green"),
    "not_payable": (_("认定不合格，不付款"), "circle-x", "red"),
    "accepted": (_("后来同意验收"), "check", "green"),
}
CLAIM_STATES = {
    "submitted": _("等待核对"),
    "checked": _("已核对，等付款"),
    "paid": _("已付款"),
    "refused": _("被退回"),
}
SCORER_PARTS = {"expert": _("专家"), "own": _("民政局代表")}
CHALLENGE_RESULTS = {"rejected": _("不成立"), "upheld": _("成立，结果作废")}
CHALLENGE_ENDS = {**CHALLENGE_RESULTS, "withdrawn": _("已撤回")}
CONTRACT_STATES = {
    "unsigned": _("待签订"),
    "active": _("履行中"),
    "suspended": _("已中止"),
    "ended": _("已结束"),
}
CLAIM_STEPS = {
    "submitted": _("待核对"),
    "checked": _("待付款"),
    "paid": _("已付款"),
    "refused": _("已退回"),
}
CHANGE_KINDS = {
    "addition": _("增加服务量"),
    "reduction": _("减少服务量"),
    "extension": _("延期"),
    "suspension": _("中止"),
    "resumption": _("恢复"),
    "termination": _("终止"),
}
SUPPLEMENT_STATES = {
    "proposed": (_("待组织签署"), "clock", "amber"),
    "in_force": (_("已生效"), "check", "green"),
    "declined": (_("组织不同意"), "slash", "grey"),
    "withdrawn": (_("已撤回"), "slash", "grey"),
    "lapsed": (_("过期失效"), "slash", "grey"),
}
# the dated rules of purchases: for each way to buy, then for all
METHOD_RULES = {
    "bid_days": (_("从发布到截止至少"), _("天")),
    "amend_days": (_("更正后到截止至少"), _("天")),
    "bidders": (_("最少"), _("家")),
    "price_weight_least": (_("价格权重最低"), "%"),
    "price_weight_most": (_("价格权重最高"), "%"),
    "scorers": (_("评审人员最少"), _("人")),
}
PURCHASE_RULES = {
    "purchase_consult_days": (_("征求公众意见至少"), _("天")),
    "purchase_split_threshold_fen": (_("合在一起超过多少算化整为零"), _("元")),
    "purchase_split_days": (_("化整为零往前看"), _("天")),
    "openers_least": (_("开标人最少"), _("人")),
    "opening_hour_minutes": (_("两位开标人先后输入开标码最多隔"), _("分钟")),
    "award_published_working_days": (_("结果确定后公开期限"), _("个工作日")),
    "challenge_working_days": (_("结果公开后质疑期"), _("个工作日")),
    "challenge_answer_working_days": (_("质疑答复期限"), _("个工作日")),
    "sign_within_days": (_("结果公开后签合同期限"), _("天")),
    "contract_published_working_days": (_("合同签订后公开期限"), _("个工作日")),
    "contract_longest_years": (_("合同最长"), _("年")),
    "scorers_expert_share": (_("评审人员里专家至少占"), "%"),
    "additions_most_percent": (_("追加最多占合同金额"), "%"),
    "supplement_answer_working_days": (_("补充协议签署期限"), _("个工作日")),
    "bid_bond_most_percent": (_("投标保证金最多"), "%"),
    "performance_bond_most_percent": (_("履约保证金最多"), "%"),
    "acceptance_dispute_working_days": (_("验收争议处理期限"), _("个工作日")),
    "acceptance_published_working_days": (_("验收结果公开期限"), _("个工作日")),
    "payment_published_days": (_("付款公开期限"), _("天")),
    "archive_years": (_("档案保存"), _("年")),
    "rating_years": (_("评估等级有效"), _("年")),
    "venture_grant_most_fen": (_("公益创投单项资助最多"), _("元")),
    "fund_appraisal_due_days": (_("资金绩效评价公开期限，次年起算"), _("天")),
    "appraisal_satisfaction_over_percent": (_("绩效评价中居民满意度的权重要超过"), "%"),
    "appraisal_forbidden": (_("绩效评价指标里不能有"), ""),
    "appraisal_not_set_up": (_("绩效评价指标不能是设立"), ""),
    "opinions_a_call": (_("一次采购最多收多少条公众意见"), _("条")),
    "opinions_an_address_an_hour": (_("同一网络地址每小时最多提意见"), _("条")),
    "questions_an_organisation": (_("一个组织对一次采购最多提问"), _("条")),
    "applications_an_address_an_hour": (_("同一网络地址每小时最多登记"), _("次")),
    "files_most_a_subject": (_("一项最多附文件"), _("份")),
    "file_most_bytes": (_("一份文件最大"), "MB"),
}
PURPOSES = {
    "award": _("以奖代补"),
    "training": _("业务培训"),
    "appraisal_award": _("考核奖励"),
    "it_subsidy": _("信息化补贴"),
    "purchase": _("购买服务"),
    "venture": _("公益创投"),
}
BUDGET_ENTRIES = {
    "allocate": _("安排预算"),
    "backstop": _("镇级兜底"),
    "commit": _("占用"),
    "release": _("释放占用"),
    "spend": _("支付"),
    "refund": _("退回"),
}
RESULT_OF = {  # where what a notice says is read
    "award": "awards",
    "award_void": "awards",
    "contract": "contracts",
    "contract_change": "contracts",
    "payment": "contracts",
    "acceptance": "acceptance",
}
RESULTS = {"awards": _("中选结果"), "contracts": _("合同"), "acceptance": _("验收结果")}
GRANT_STATES = {
    "running": (_("进行中"), "play", "green"),
    "stopped": (_("停止拨付"), "ban", "red"),
    "completed": (_("已结项"), "check-check", "ink"),
    "terminated": (_("已提前终止"), "slash", "grey"),
}
MILESTONE_KINDS = {
    "start": _("启动"),
    "step": _("阶段成果"),
    "midterm": _("中期评估"),
    "final": _("结项报告"),
}
MILESTONE_STATES = {
    "due": (_("待提交"), "circle-dashed", "grey"),
    "late": (_("逾期未提交"), "triangle-alert", "red"),
    "handed_in": (_("待评审"), "clock", "amber"),
    "passed": (_("通过，待拨付"), "check", "blue"),
    "held": (_("通过，停止拨付"), "ban", "outline"),
    "done": (_("合格"), "check", "green"),
    "failed": (_("不合格"), "circle-x", "red"),
    "paid": (_("已拨付"), "check-check", "green"),
}
GRANT_STEPS = {
    "handed_in": _("已提交成果"),
    "passed": _("评审通过"),
    "failed": _("评审不合格"),
    "late": _("停止拨付"),
    "resumed": _("项目恢复"),
    "completed": _("已结项"),
    "terminated": _("已提前终止"),
}
SUPPORT_KINDS = {
    "premises": _("场地"),
    "training": _("培训"),
    "mentoring": _("辅导"),
    "funding": _("资金"),
    "other": _("其他支持"),
}
EXITS = {
    "graduated": _("达标出孵"),
    "withdrew": _("主动退出"),
    "removed": _("清退"),
}
TIES = {
    "price": _("同分，报价低的在前"),
    "points": _("同分，权重大的项得分高的在前"),
    "receipt": _("同分，先提交的在前"),
}
