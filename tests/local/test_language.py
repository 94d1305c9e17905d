"""The guess in which language a text is: real messages, and honest silence where a text does not say."""

from itertools import pairwise

import pytest

from headgate.local.language import LEAST_CONFIDENCE, TEXT_CHARS_MAX, guess_language
from headgate.local.language_tables import SCRIPTS

MESSAGES = [
    ("en", "Your account will be blocked today. Please verify."),
    ("en", "Hello, where is my order? It should have been here yesterday."),
    ("en", "Refund not received"),
    ("en", "can u call me when you are free, thanks"),
    ("hi-Latn", "Aapka account block ho jayega, turant KYC update karein"),
    ("hi-Latn", "bhai paise bhej do jaldi"),
    ("hi-Latn", "Mera order abhi tak nahi aaya hai, kab milega?"),
    ("hi-Latn", "Kya aap mujhe UPI id bata sakte hain? Payment abhi karna hai."),
    ("hi", "आपका खाता आज बंद कर दिया जाएगा। कृपया तुरंत अपडेट करें।"),
    ("hi", "मेरा ऑर्डर कहाँ है?"),
    ("mr", "तुमचे खाते आज बंद होणार आहे. कृपया लगेच अपडेट करा."),
    ("mr", "माझी ऑर्डर कुठे आहे?"),
    ("mr", "पैसे लगेच पाठवा नाहीतर दंड होईल"),
    ("bn", "আপনার অ্যাকাউন্ট আজ বন্ধ হয়ে যাবে।"),
    ("ta", "உங்கள் கணக்கு இன்று முடக்கப்படும்."),
    ("te", "మీ ఖాతా ఈ రోజు మూసివేయబడుతుంది."),
    ("gu", "તમારું ખાતું આજે બંધ થઈ જશે."),
    ("kn", "ನಿಮ್ಮ ಖಾತೆ ಇಂದು ಮುಚ್ಚಲ್ಪಡುತ್ತದೆ."),
    ("ml", "നിങ്ങളുടെ അക്കൗണ്ട് ഇന്ന് അടയ്ക്കും."),
    ("pa", "ਤੁਹਾਡਾ ਖਾਤਾ ਅੱਜ ਬੰਦ ਹੋ ਜਾਵੇਗਾ।"),
    ("ur", "آپ کا اکاؤنٹ آج بند ہو جائے گا۔ براہ کرم تصدیق کریں۔"),
    ("ar", "سيتم إغلاق حسابك اليوم. يرجى التحقق من هويتك على الفور."),
    ("zh", "您的账户今天将被冻结，请立即验证。"),
    ("ja", "あなたの口座は本日停止されます。すぐに確認してください。"),
    ("ko", "귀하의 계좌는 오늘 정지됩니다. 즉시 확인해 주세요."),
    ("ru", "Ваш счёт будет заблокирован сегодня. Пожалуйста, подтвердите данные."),
    ("es", "Su cuenta será bloqueada hoy. Por favor verifique sus datos."),
    ("es", "¿Dónde está mi pedido?"),
    ("fr", "Votre compte sera bloqué aujourd'hui. Veuillez vérifier vos données."),
    ("fr", "Où est ma commande ?"),
    ("de", "Ihr Konto wird heute gesperrt. Bitte bestätigen Sie Ihre Daten."),
    ("de", "Wo ist meine Bestellung?"),
    ("pt", "Sua conta será bloqueada hoje. Por favor, verifique os seus dados."),
    ("pt", "Onde está o meu pedido?"),
    ("it", "Il tuo conto verrà bloccato oggi. Verifica i tuoi dati."),
    ("it", "Dove è il mio ordine?"),
    ("id", "Rekening Anda akan diblokir hari ini. Silakan verifikasi data Anda segera."),
    ("id", "Di mana pesanan saya?"),
]


@pytest.mark.parametrize("code, text", MESSAGES)
def test_everyday_message_is_recognised(code: str, text: str) -> None:
    """Short messages of every language of the list are named, and what is quoted stands in them."""
    found = guess_language(text)
    assert found.code == code
    assert found.confidence >= LEAST_CONFIDENCE
    assert all(0 <= each.start < each.end <= len(text) for each in found.evidence)


@pytest.mark.parametrize(
    "text", ["", "   ", "12345", "xyzzy", "Priya Sharma", "OTP 482913", "Łódź żółw gęślą jaźń", "🙏🙏"]
)
def test_text_that_says_nothing_gets_no_language(text: str) -> None:
    """A name, a number or a language that is not known is no guess."""
    found = guess_language(text)
    assert found.code is None
    assert found.confidence < LEAST_CONFIDENCE


def test_more_text_is_surer() -> None:
    """One word says less than a message in the same language."""
    assert guess_language("Thanks").confidence < guess_language(MESSAGES[1][1]).confidence


def test_two_languages_are_less_sure_than_one() -> None:
    """A text that is half in another script says so by its confidence."""
    mixed = guess_language("আপনার অ্যাকাউন্ট আজ বন্ধ হয়ে যাবে। Please call us back today now.")
    assert mixed.confidence < guess_language("আপনার অ্যাকাউন্ট আজ বন্ধ হয়ে যাবে।").confidence


def test_only_the_beginning_of_a_long_text_is_read() -> None:
    """What stands behind the bound changes nothing."""
    text = "Your order is here. " * (TEXT_CHARS_MAX // 20)
    assert guess_language(text) == guess_language(text + "आपका खाता " * 5_000)


def test_blocks_of_scripts_are_in_order() -> None:
    """The search by halves needs blocks in order, none within another."""
    assert all(first <= last for first, last, _ in SCRIPTS)
    assert all(one[1] < other[0] for one, other in pairwise(SCRIPTS))
