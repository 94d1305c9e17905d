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
        otp otps order orderid ordr ord ref reference refno refid rrn utr utrno txn txnid transaction trxn trx tran
        transactionid upiref awb tracking track trackingid consignment shipment courier docket invoice inv bill
        billno policy policyno folio pnr aadhaar aadhar adhar adhaar uid uidai uan pan gst gstin imei imei1 imei2
        serial serialno sno sr srno s/n consumer customer cust customerid crn cif application appl applicationno
        ticket complaint case ack acknowledgement acknowledgment arn challan registration reg regno roll rollno
        enrolment enrollment eid token pin pincode zip code isbn ean barcode sku model batch lot employee emp empid
        pf epf esic fastag tag vehicle engine chassis id ids lpg srn meter epoch timestamp ts unix passport voter
        epic licence license dl version build ver session request trace hash coupon voucher vid abha flight train
        score ip pid seq sequence log key loan lan loanno agreement demat dp dpid bo boid nsdl mandate umrn ckyc kyc
        cin din tan llpin udyam msme fssai subscriber subscription member membership membershipno rewards points
        product item part style article hsn sac receipt docno doc document file fir ration property khasra khatian
        survey plot house flat sector room agent advisor merchant terminal tid mid device mac simno sim iccid
        eticket booking bookingid crno clientid client ack.no appno candidate seat hallticket hall prn sn udid uuid
        guid nonce epochtime created_at updated_at exp iat ओटीपी ऑर्डर आर्डर संदर्भ रेफरेंस रेफ आधार पैन बिल पॉलिसी
        पिन पिनकोड आवेदन शिकायत टिकट लेनदेन ट्रैकिंग उपभोक्ता रसीद पंजीकरण ग्राहक टोकन ஆர்டர் ஆதார் ఆధార్ ఆర్డర్
        ಆಧಾರ್ ಆರ್ಡರ್ ആധാർ ആധാര്‍ ഓർഡർ আধার অর্ডার আধাৰ આધાર ઓર્ડર ਆਧਾਰ ਆਰਡਰ
    """,
}
_LABELS: Final[dict[str, Label]] = {word: label for label, words in _WORDS.items() for word in words.split()}

_FILLER_WORDS: Final = """
    no nos no. num number numbers nbr nmbr nambar numbar number's is are was hai he h the this my our mera meri mere
    apna on at to in of your ur for and or via de me us him her bhai ji pls please plz kar karo kare karein karna
    new details detail noted number- नंबर नम्बर नं संख्या क्रमांक है हैं यह ये मेरा मेरे मेरी पर को में का की के से
    करें करो कीजिए নম্বর নং નંબર ਨੰਬਰ సంఖ్య నంబర్ எண் ಸಂಖ್ಯೆ നമ്പർ ନମ୍ବର نمبر
"""
_FILLERS: Final = frozenset(_FILLER_WORDS.split())
"""Words that may stand between a label and its number without parting them."""

_TOKEN: Final = re.compile(r"[^\s:;,()\[\]{}*=+|<>\"'!?।#~•→_`-]+")
_BREAK: Final = re.compile(
    r"[!?।]|(?<!\bno)(?<!a/c)(?<!\bac)(?<!acc)(?<!acct)(?<!mob)(?<!\bph)(?<!tel)(?<!ref)(?<!\bid)\.\s"
)
_LONG_NUMBER: Final = re.compile(r"\d{4,}")


def label_before(seen: str, at: int) -> Context:
    """What the nearest label before `at` says; a sentence's end or another number parts a label from it."""
    window = seen[max(0, at - WINDOW_CHARS) : at].lower()
    if at > WINDOW_CHARS:
        window = window.partition(" ")[2] or window
    parted = 0
    for match in _BREAK.finditer(window):
        parted = match.end()
    for match in _LONG_NUMBER.finditer(window, parted):
        parted = match.end()
    return _nearest(_TOKEN.findall(window[parted:])[::-1])


def label_after(seen: str, at: int) -> Context:
    """What the first label behind `at` says, within the sentence."""
    window = seen[at : at + AFTER_CHARS].lower()
    end = _BREAK.search(window)
    window = window[: end.start()] if end else window
    number = _LONG_NUMBER.search(window)
    window = window[: number.start()] if number else window
    return _nearest(_TOKEN.findall(window))


def has_label(seen: str, at: int, end: int, wanted: Label, reach: int = 120) -> bool:
    """A label of this kind stands anywhere near."""
    window = seen[max(0, at - reach) : end + reach].lower()
    return any(label_of(token) is wanted for token in _TOKEN.findall(window))


def label_of(token: str) -> Label | None:
    """The label that a word in lower case is, its trailing dots and glued `no` aside."""
    token = token.rstrip("./")
    return _LABELS.get(token) or (_LABELS.get(token[:-2].rstrip(".")) if token.endswith("no") else None)


def _nearest(tokens: list[str]) -> Context:
    gap = 0
    for token in tokens:
        label = label_of(token)
        if label is not None:
            return Context(label, gap)
        if token not in _FILLERS and token.strip("./-"):
            gap += 1
    return Context(None, gap)
