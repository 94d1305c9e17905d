"""Owns what the words beside a number say that it is: an account, a phone, a card, or one of the many numbers that are
none of them. Refuses to know what numbers look like.
"""

import re
from enum import Enum, auto
from typing import Final, NamedTuple

WINDOW_CHARS: Final = 56
"""How far before a number its label may begin."""
AFTER_CHARS: Final = 36
"""How far behind a number a label may end."""

COMMA_GAP: Final = 3
"""As how many words a comma counts."""


class Label(Enum):
    """What a word says of the number beside it."""

    ACCOUNT = auto()
    PHONE = auto()
    CARD = auto()
    TRANSFER = auto()
    """A way of paying: a reference number, or the number that one pays to."""
    OTHER = auto()
    """A number of some other kind: an order, a one-time password, a reference, an Aadhaar."""


class Context(NamedTuple):
    """The nearest label and how many words that mean nothing stand between it and the number."""

    label: Label | None
    gap: int


_WORDS: Final = {
    Label.ACCOUNT: """
        beneficiary benef payee लाभार्थी
        a/c a/c# a/cno a/c.no ac acc acct accnt account accounts accountno acno acc/no acct# bank_account khata
        khaata khate khaate khatey sbaccount savings saving खाता खाते खातें अकाउंट एकाउंट खात्यात खाता-संख्या
        खात्याचा खाते-क्रमांक ખાતું ખાતા ખાતામાં ખાતાનો ਖਾਤਾ ਖਾਤੇ অ্যাকাউন্ট একাউন্ট অ্যাকাউন্টে হিসাব ఖాతా ఖాతాకు
        கணக்கு கணக்கில் கணக்கிற்கு ಖಾತೆ ಖಾತೆಗೆ അക്കൗണ്ട് അക്കൗണ്ടിൽ അക്കൗണ്ടിലേക്ക് ଖାତା کھاتہ اکاؤنٹ
    """,
    Label.PHONE: """
        mobile mob mobno mobl mbl mob.no phone ph phn phno fone call calls calling whatsapp whatsap watsapp wa wp
        wapp contact cont tel telephone cell sms text dial ring helpline toll-free tollfree landline fax missed
        linked registered regd gpay phonepe paytm bhim g-pay googlepay ping msg message msgs telegram signal
        customercare care speak talk reach hotline std pay-tm contactno callback फोन फ़ोन मोबाइल कॉल काल व्हाट्सएप
        व्हाट्सऐप वॉट्सऐप संपर्क सम्पर्क हेल्पलाइन मो मोब फोनवर भ्रमणध्वनी ফোন মোবাইল কল যোগাযোগ ફોન મોબાઇલ મોબાઈલ
        કૉલ કોલ સંપર્ક ਫੋਨ ਮੋਬਾਈਲ ਕਾਲ ఫోన్ మొబైల్ కాల్ சம்பர்க்க தொலைபேசி மொபைல் அழைக்க போன் ಮೊಬೈಲ್ ಫೋನ್ ಕರೆ
        ಸಂಪರ್ಕಿಸಿ ഫോൺ മൊബൈൽ വിളിക്കുക ଫୋନ ମୋବାଇଲ فون موبائل کال
    """,
    Label.CARD: """
        card cards cardno ccno debitcard creditcard visa mastercard rupay amex maestro diners discover cc कार्ड
        કાર્ડ கார்டு కార్డ్ ಕಾರ್ಡ್ കാർഡ് কার্ড ਕਾਰਡ
    """,
    Label.TRANSFER: """
        imps neft rtgs upi
    """,
    Label.OTHER: """
        udise dise aishe apaar samagra lei isin eway uhid mrn prno regn indent nodal
        otp otps order orderid ordr ord ref reference refno refid rrn utr utrno txn txnid transaction trxn trx tran
        transactionid upiref awb tracking track trackingid consignment shipment courier docket invoice inv bill
        billno policy policyno folio pnr aadhaar aadhar adhar adhaar uid uidai uan pan gst gstin imei imei1 imei2
        serial serialno sno sr srno s/n consumer customerid crn cif application appl applicationno ticket complaint
        case ack acknowledgement acknowledgment arn challan registration reg regno roll rollno enrolment enrollment
        eid token pin pincode zip code isbn ean barcode sku model batch lot employee emp empid pf epf esic fastag
        tag vehicle engine chassis id ids lpg srn meter epoch timestamp unix passport voter epic licence license dl
        version build ver session request trace hash coupon voucher vid abha ip pid seq sequence loan lan loanno
        agreement demat dp dpid bo boid nsdl mandate umrn ckyc kyc cin din tan llpin udyam msme fssai subscriber
        subscription membership membershipno rewards hsn sac receipt docno fir ration khasra khatian terminal tid
        mid simno iccid eticket bookingid crno clientid ack.no appno hallticket prn sn udid uuid guid nonce
        epochtime created_at updated_at ओटीपी ऑर्डर आर्डर संदर्भ रेफरेंस रेफ आधार पैन बिल पॉलिसी पिन पिनकोड आवेदन
        शिकायत टिकट लेनदेन ट्रैकिंग उपभोक्ता रसीद पंजीकरण ग्राहक टोकन ஆர்டர் ஆதார் ఆధార్ ఆర్డర్ ಆಧಾರ್ ಆರ್ಡರ್ ആധാർ
        ആധാര്‍ ഓർഡർ আধার অর্ডার আধাৰ આધાર ઓર્ડર ਆਧਾਰ ਆਰਡਰ micr ppo crac gem gemc service
    """,
}
_LABELS: Final[dict[str, Label]] = {word: label for label, words in _WORDS.items() for word in words.split()}

_FILLER_WORDS: Final = """
    ka ki ke ko se me mein mai par pe
    no nos no. num number numbers nbr nmbr nambar numbar number's is are was hai he h the this my our mera meri mere
    apna on at to in of your ur for and or via de me us him her bhai ji pls please plz kar karo kare karein karna
    new details detail noted number- नंबर नम्बर नं संख्या क्रमांक है हैं यह ये मेरा मेरे मेरी पर को में का की के से
    करें करो कीजिए নম্বর নং નંબર ਨੰਬਰ సంఖ్య నంబర్ எண் ಸಂಖ್ಯೆ നമ്പർ ନମ୍ବର نمبر
"""
_FILLERS: Final = frozenset(_FILLER_WORDS.split())
"""Words that may stand between a label and its number without parting them."""

_NO_BANKS: Final = frozenset(
    (
        "aws",
        "azure",
        "google",
        "user",
        "demat",
        "trading",
        "insta",
        "instagram",
        "facebook",
        "twitter",
        "steam",
        "github",
    )
)
"""Before "account" these say that it is no bank's."""

_TOKEN: Final = re.compile(r",|[^\s:;,()\[\]{}*=+|<>\"'!?।#~•→_`-]+")
_STOPS: Final = "!?;|।"
_ABBREVIATIONS: Final = frozenset(
    (
        "no",
        "nos",
        "num",
        "a/c",
        "ac",
        "acc",
        "acct",
        "mob",
        "ph",
        "phn",
        "tel",
        "ref",
        "id",
        "cont",
        "mr",
        "mrs",
        "dr",
        "sr",
        "inv",
        "txn",
    )
)
"""Words whose dot does not end a sentence."""
_CLAUSE: Final = re.compile(r"[!?।;|,)\n:•+&]|\s/|/\d|\.\s|\s-\s|(?<=\S)\s\(|\s(?:and|or|aur|ya|se|from|by)\s")
_NEXT_NUMBER: Final = re.compile(r"[0-9][0-9]{2,}")
_LONG_NUMBER: Final = re.compile(r"[0-9][0-9]{3,}")
_FULL_STOP: Final = re.compile(r"\.\s")


def label_before(low: str, at: int) -> Context:
    """What the nearest label before `at` says, of a text in lower case.

    A sentence's end or another number parts a label from it.
    """
    window = low[max(0, at - WINDOW_CHARS) : at]
    if at > WINDOW_CHARS:
        window = window.partition(" ")[2] or window
    for stop in _STOPS:
        if stop in window:
            window = window.rpartition(stop)[2]
    for number in _LONG_NUMBER.findall(window)[-1:]:
        window = window.rpartition(number)[2]
    if ". " in window or ".\n" in window:
        window = _sentence(window)
    return _nearest(_TOKEN.findall(window)[::-1])


def _sentence(window: str) -> str:
    """What stands behind the last full stop that is no abbreviation's."""
    parts = _FULL_STOP.split(window)
    kept = parts[-1]
    for part in parts[-2::-1]:
        if _TOKEN.findall(part)[-1:] and _TOKEN.findall(part)[-1] in _ABBREVIATIONS:
            kept = f"{part} {kept}"
        else:
            break
    return kept


def label_after(low: str, at: int) -> Context:
    """What the first label behind `at` says, within the clause: "is my account", "(mobile)"."""
    window = low[at : at + AFTER_CHARS]
    end = _CLAUSE.search(window)
    window = window[: end.start()] if end else window
    number = _NEXT_NUMBER.search(window)
    if number:
        return Context(None, 0)  # a label there is the next number's
    return _nearest(_TOKEN.findall(window))


def has_label(low: str, at: int, end: int, wanted: Label, reach: int = 120) -> bool:
    """A label of this kind stands anywhere near."""
    window = low[max(0, at - reach) : end + reach]
    return any(label_of(token) is wanted for token in _TOKEN.findall(window))


def is_filler(word: str) -> bool:
    """A word in lower case that says nothing of the number behind it."""
    return word in _FILLERS


def word_before(seen: str, at: int) -> str:
    """The word directly before `at`, as it is written, when nothing but blanks and marks stands between."""
    tokens = _TOKEN.findall(seen[max(0, at - WINDOW_CHARS) : at].rpartition("\n")[2])
    return tokens[-1] if tokens else ""


def label_of(token: str) -> Label | None:
    """The label that a word in lower case is, its trailing dots and glued `no` aside."""
    token = token.strip("./")
    return _LABELS.get(token) or (_LABELS.get(token[:-2].rstrip(".")) if token.endswith("no") else None)


def _nearest(tokens: list[str]) -> Context:
    gap = 0
    for index, token in enumerate(tokens):
        label = label_of(token)
        if token == "holder" and gap == 0:
            return Context(Label.OTHER, 0)  # "account holder 4711" numbers a person
        if label is Label.ACCOUNT and index + 1 < len(tokens) and tokens[index + 1] in _NO_BANKS:
            return Context(Label.OTHER, gap)
        if label is not None:
            return Context(label, gap)
        if token == ",":
            gap += COMMA_GAP
        elif token not in _FILLERS and token.strip("./-"):
            gap += 1
    return Context(None, gap)
