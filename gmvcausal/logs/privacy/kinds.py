"""What names a person: telephone numbers, identity cards, bank cards, e-mails, and the columns that hold them.

A number is told by its shape and by what only a real one has (a check digit, a date, a prefix in use). Order numbers
share the shape by chance; so a kind is only reported where most numbers of its shape pass, or where its writing leaves
no doubt.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from typing import NamedTuple

# First three digits of mobile numbers in use in mainland China.
_MOBILE = r"(?:13\d|14[5-9]|15[0-35-9]|16[2567]|17[0-8]|18\d|19[0-35-9])"
_REGIONS = frozenset(
    (*range(11, 16), *range(21, 24), *range(31, 38), *range(41, 47), *range(50, 55), *range(61, 66), 71, 81, 82, 83, 91)
)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
# A card's first digits: UnionPay 62, Visa 4, Mastercard 51-55 and 2221-2720, JCB 35.
_CARD = re.compile(r"(?:62|4|5[1-5]|2[2-7]|35)")
# Words that may stand right before a number; other letters make it a code.
_CALLED = r"(?:tel|phone|mobile|mob|cell|ph|call|contact|dianhua|shouji|wechat|weixin|whatsapp|wx|vx|v|qq)"
# What people put between the digits of a number; a point only where it is the only mark, as amounts have them.
_GAP = r"(?:[\s_/~\u00b7-]{1,3})"


# Ends of Chinese domains; other Chinese after a point begins a sentence.
_ENDS = "中国|中國|公司|网络|網絡|网址|在线|中文网|商城|网店|集团|公益|政务"
# A number in powers of ten, as spreadsheets write long ones.
_POWER = re.compile(r"\s*\d\.\d{1,18}[eE]\+?1\d\s*")


class Kind(NamedTuple):
    """One kind of what names a person.

    Attributes
    ----------
    name : str
    shape : re.Pattern
        What has its shape, as one group.
    lengths : tuple of int
        How many digits a text of digits alone has that has its shape.
    real : callable
        Whether a text of that shape is one.
    share : float
        Of what has the shape in a column, the share that must be real for the kind to be reported. What is drawn by lot
        passes at the rate in `by_chance`.
    by_chance : float
    """

    name: str
    shape: re.Pattern[str]
    lengths: tuple[int, ...]
    real: Callable[[str], bool]
    share: float
    by_chance: float


def _digits(text: str) -> str:
    return re.sub(r"[^\dXx]", "", text)


def plain(text: str) -> str:
    """A text with one kind of digits, blanks and dashes, without what is not seen; "13800138000.0" without its zeros.

    Examples
    --------
    >>> plain("１３８\u2011００１３\u3000８０００"), plain("138\u200b00138000"), plain("13800138000.0")
    ('138-0013 8000', '13800138000', '13800138000')
    >>> plain("1.3800138e10")
    '13800138000'
    """
    text = unicodedata.normalize("NFKC", text)
    if not text.isascii():
        kinds = ((c, unicodedata.category(c)) for c in text)
        text = "".join("-" if k == "Pd" or c == "\u2212" else c for c, k in kinds if k != "Cf")
    if _POWER.fullmatch(text):
        text = f"{Decimal(text.strip()):f}"
    return re.sub(r"^(\s*\d+)\.0+(\s*)$", r"\1\2", text)


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1).

    Examples
    --------
    >>> luhn("4111111111111111"), luhn("4111111111111112")
    (True, False)
    """
    total = 0
    for place, c in enumerate(reversed(digits)):
        value = int(c) * (1 + place % 2)
        total += value - 9 * (value > 9)
    return total % 10 == 0


def card_18(text: str) -> bool:
    """Whether 18 characters are a resident identity number: region, date of birth, check character (GB 11643-1999).

    Examples
    --------
    >>> card_18("11010519491231002X"), card_18("110105194912310021")
    (True, False)
    """
    text = text.upper()
    if int(text[:2]) not in _REGIONS or not _born(text[6:14]):
        return False
    return "10X98765432"[sum(int(c) * w for c, w in zip(text, _WEIGHTS, strict=False)) % 11] == text[17]


def card_15(text: str) -> bool:
    """Whether 15 digits have the form of an old identity number: region and date of birth, without a check digit."""
    return int(text[:2]) in _REGIONS and _born("19" + text[6:12])


def _born(day: str) -> bool:
    try:
        return dt.date(1900, 1, 1) <= dt.datetime.strptime(day, "%Y%m%d").date() <= dt.date.today()
    except ValueError:
        return False


def _with_86(text: str) -> bool:
    return text.startswith("86") and bool(re.match(_MOBILE, text[2:]))


def _bank(text: str) -> bool:
    digits = _digits(text)
    return bool(_CARD.match(digits)) and len(set(digits)) > 3 and luhn(digits)


# Not inside a longer number or code: letters and digits must not touch it; words for a telephone may, and a low line,
# which joins numbers (20250101_13800138000).
_BEFORE = rf"(?<![0-9A-Za-z.])(?:{_CALLED}[:=_\s]*)?"
_AFTER = r"(?![0-9A-Za-z])(?!\.\d)"


def _shape(inner: str) -> re.Pattern[str]:
    return re.compile(f"{_BEFORE}({inner}){_AFTER}", re.IGNORECASE)


KINDS = (
    Kind("phone number", _shape(r"\d{11}"), (11,), lambda t: bool(re.match(_MOBILE, t)), 0.5, 0.062),
    Kind("phone number", _shape(r"86\d{11}"), (13,), _with_86, 0.5, 0.062),
    Kind("phone number", _shape(r"0086\d{11}"), (15,), lambda t: t.startswith("00") and _with_86(t[2:]), 0.001, 6.2e-6),
    Kind(
        "phone number",
        _shape(r"\(?(?:\+|00)86\)?[\s-]{0,3}1\d{2}[\s.-]{0,3}\d{4}[\s.-]{0,3}\d{4}"),
        (),
        lambda t: bool(re.match(_MOBILE, _digits(t)[-11:])),
        0.0,
        0.062,
    ),
    Kind(  # in groups, or every digit by itself; what begins with 0 is a number of a town, and tells of no other
        "phone number",
        re.compile(
            rf"(?<![0-9A-Za-z.])(?<!\d[\s_/~-])(?:{_CALLED}[:=_\s]*)?"
            rf"((?:\+?86{_GAP})?(?!0)(?:\d{{3}}{_GAP}\d{{4}}{_GAP}?\d{{4}}|\d{{7}}{_GAP}\d{{4}}|\d{{3}}\.\d{{4}}\.\d{{4}}"
            rf"|\d{{3}}{_GAP}\d{{3}}{_GAP}\d{{5}}|\d(?:{_GAP}\d){{10}})){_AFTER}(?!{_GAP}\d)",
            re.IGNORECASE,
        ),
        (),
        lambda t: bool(re.match(_MOBILE, _digits(t)[-11:])),
        0.5,
        0.062,
    ),
    Kind(  # between letters: a word and a number, and no code, which has digits on both sides of its letters
        "phone number",
        re.compile(r"(?<![0-9A-Za-z_.])[A-Za-z_]{0,12}(\d{11})[A-Za-z_]{0,12}(?![0-9A-Za-z_])(?!\.\d)"),
        (),
        lambda t: bool(re.match(_MOBILE, t)),
        0.5,
        0.062,
    ),
    # Letters may touch it: its check character tells it from codes.
    Kind("identity card", re.compile(r"(?<![\d.])(\d{17}[\dXx])(?!\d|\.\d)"), (18,), card_18, 0.001, 1.6e-5),
    Kind(
        "identity card",
        _shape(r"\d{6}[\s-](?:\d{8}|\d{4}[\s-]\d{2}[\s-]?\d{2})[\s-]\d{3}[\dXx]"),
        (),
        lambda t: card_18(_digits(t)),
        0.001,
        1.6e-5,
    ),
    Kind("identity card", _shape(r"\d{15}"), (15,), card_15, 0.5, 0.014),
    Kind(
        "bank card",
        _shape(r"\d{16,19}|\d{4}(?:[\s-]\d{4}){3}(?:[\s-]\d{1,3})?"),
        (16, 17, 18, 19),
        _bank,
        0.5,
        0.026,
    ),
    Kind(
        "e-mail",
        re.compile(
            r"(?<![\w.+-])([\w.+-]{1,64}@(?:[\w-]{1,63}\.)+(?:[A-Za-z]{2,24}|{_ENDS}))(?![0-9A-Za-z_-])".replace(
                "{_ENDS}", _ENDS
            )
        ),
        (),
        lambda t: True,
        0.0,
        0.0,
    ),
)

# What is counted, or a property: mail_clicks and 邮件打开率 are no mail.
_MEASURED = frozenset((
    "click", "clicks", "opens", "opened", "sent", "rate", "ratio", "share", "count", "cnt", "ctr", "type", "level",
    "plot", "room", "rooms", "flag",
))  # fmt: skip
_MEASURED_CHINESE = re.compile(r"(?:率|次数|点击数|点击量|打开数|打开量|类型)$")
# English by whole words of a name, Chinese by patterns within it.
_NAMED: tuple[tuple[str, frozenset[str], tuple[str, ...]], ...] = (
    ("phone number", frozenset(("phone", "mobile", "telephone", "tel", "cellphone", "msisdn")),
     ("手机", "电话", "联系方式")),
    ("identity card", frozenset(("idcard", "identity", "passport", "ssn", "idno")), ("身份证", "证件", "护照")),
    ("bank card", frozenset(("bankcard", "cardno", "iban", "alipay")), ("银行卡", "卡号", "支付宝")),
    ("e-mail", frozenset(("email", "mail", "mailbox")), ("邮箱", "邮件")),
    ("address", frozenset(("address", "addr", "street", "postcode", "zipcode")), ("(?<!落)地址", "住址", "门牌")),
    ("name of a person", frozenset(
        ("realname", "fullname", "firstname", "lastname", "surname", "receiver", "recipient", "consignee", "nickname")
    ), ("姓名", "收货人", "收件人", "昵称", "真实姓名", "联系人")),
    ("account elsewhere", frozenset(("openid", "unionid", "wechat", "weixin", "wxid", "qq")), ("微信", "抖音号")),
    ("device or network", frozenset(("imei", "idfa", "oaid", "imsi", "mac", "ip", "deviceid", "udid", "gaid")),
     ("设备号", "设备ID")),
    ("date of birth", frozenset(("birthday", "birthdate", "dob", "birth")), ("生日", "出生(?!效)")),
    ("place", frozenset(("gps", "latitude", "longitude", "lat", "lng", "lon")),
     ("经度", "纬度", "(?<!商品|品牌|市场|价格|人群)定位")),
)  # fmt: skip
_PAIRS = {
    ("id", "card"): "idcard", ("id", "no"): "idno", ("bank", "card"): "bankcard", ("card", "no"): "cardno",
    ("card", "number"): "cardno", ("real", "name"): "realname", ("full", "name"): "fullname",
    ("first", "name"): "firstname", ("last", "name"): "lastname", ("device", "id"): "deviceid",
    ("union", "id"): "unionid", ("open", "id"): "openid", ("e", "mail"): "email", ("wx", "id"): "wxid",
    ("nick", "name"): "nickname", ("zip", "code"): "zipcode", ("post", "code"): "postcode",
}  # fmt: skip


def by_name(column: str) -> str:
    """The kind that the name of a column suggests; empty where it suggests none.

    Examples
    --------
    >>> by_name("receiverPhone"), by_name("收货地址"), by_name("id_card_no"), by_name("hotel"), by_name("ip_type")
    ('phone number', 'address', 'identity card', '', '')
    """
    words = [w.casefold() for w in re.findall(r"[A-Za-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", column))]
    if (words and words[-1] in _MEASURED) or _MEASURED_CHINESE.search(column):
        return ""
    found = {*words, *(made for pair, made in _PAIRS.items() if pair in set(pairwise(words)))}
    # The most telling first: a receiver's phone is a phone.
    return next(
        (kind for kind, english, chinese in _NAMED if found & english or any(re.search(c, column) for c in chinese)), ""
    )
