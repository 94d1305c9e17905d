"""Owns what languages look like to a reader who cannot read them: scripts, everyday words, telling letters and endings.

Written by hand for this purpose. A word that several languages share counts for each of them, and less.
"""

from typing import Final

SCRIPTS: Final[tuple[tuple[int, int, str], ...]] = (
    (0x0041, 0x024F, "Latin"),
    (0x0370, 0x03FF, "Greek"),
    (0x0400, 0x052F, "Cyrillic"),
    (0x0590, 0x05FF, "Hebrew"),
    (0x0600, 0x06FF, "Arabic"),
    (0x0750, 0x077F, "Arabic"),
    (0x0900, 0x097F, "Devanagari"),
    (0x0980, 0x09FF, "Bengali"),
    (0x0A00, 0x0A7F, "Gurmukhi"),
    (0x0A80, 0x0AFF, "Gujarati"),
    (0x0B00, 0x0B7F, "Odia"),
    (0x0B80, 0x0BFF, "Tamil"),
    (0x0C00, 0x0C7F, "Telugu"),
    (0x0C80, 0x0CFF, "Kannada"),
    (0x0D00, 0x0D7F, "Malayalam"),
    (0x0D80, 0x0DFF, "Sinhala"),
    (0x0E00, 0x0E7F, "Thai"),
    (0x1100, 0x11FF, "Hangul"),
    (0x1E00, 0x1EFF, "Latin"),
    (0x3040, 0x30FF, "Kana"),
    (0x3400, 0x9FFF, "Han"),
    (0xAC00, 0xD7AF, "Hangul"),
    (0xFB50, 0xFDFF, "Arabic"),
    (0xFE70, 0xFEFC, "Arabic"),
    (0xFF21, 0xFF5A, "Latin"),
    (0xFF66, 0xFF9D, "Kana"),
)
"""First and last code point of a block, in order, and its script."""

ONE_LANGUAGE: Final = {
    "Greek": "el",
    "Hebrew": "he",
    "Bengali": "bn",
    "Gurmukhi": "pa",
    "Gujarati": "gu",
    "Odia": "or",
    "Tamil": "ta",
    "Telugu": "te",
    "Kannada": "kn",
    "Malayalam": "ml",
    "Sinhala": "si",
    "Thai": "th",
    "Hangul": "ko",
}
"""Scripts that hardly any other language is written in."""

NAMES: Final = {
    "ar": "Arabic",
    "bn": "Bengali",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fa": "Persian",
    "fr": "French",
    "hi": "Hindi",
    "hi-Latn": "Hindi in Latin letters",
    "id": "Indonesian",
    "it": "Italian",
    "mr": "Marathi",
    "pt": "Portuguese",
    "ru": "Russian",
    "uk": "Ukrainian",
    "ur": "Urdu",
}

_EN = """the of and to in is you that it for was on are with as they be at this have from or had by not but
what all were we when your can there an which she do how their if will up other about out then them these so
some her would make him into has more no my than been who its now get may hello please thanks thank hi dear
am our us just yes ok okay i me he his any also here been being should could need want don't can't won't i'm
let know sent send where why still"""
_HINGLISH = """hai hain ka ki ke ko mein nahi nahin nhi kya kar karo kare karna kiya karein krna krdo kardo
kijiye aur yeh ye wo woh aap aapka aapke aapki aapko mera meri mere mujhe mujhko hum humko tum tumhara tumko
bhi ho hoga hogi honge tha thi raha rahe rahi rha rhe rhi hua hui abhi kab kahan kaise kyun kyunki lekin
agar jaldi bhejo bhej bhejna dijiye dijie kripya paise paisa rupaye rupay wala wali wale apna apne apni kal
aaj ji haan accha acha achha thik theek bhai bahut bohot kuch sab koi jab phir fir baad pehle unka uska iska
liye tak diya gaya gayi jaye jayega jayegi hoon hun kisi isse usse batao bataiye chahiye sakte sakta sakti
nahi matlab yaar bhaiya didi namaste dhanyavad karenge milega milegi warna turant khata band chalu"""
_ES = """de la que el en y los se del las un por con no una su para es al lo como más pero sus le ya o este
sí porque esta entre cuando muy sin sobre también me hasta hay donde quien desde todo nos todos uno les ni
otros ese eso ante ellos e esto mí antes qué yo otro hola gracias favor señor usted está estoy tiene tengo
cuenta dinero hoy mañana ha he si mi tu te ser son fue pedido aquí ahora nuestro nuestra puede"""
_FR = """de la le et les des en un du une que est pour qui dans par plus pas au sur ne se ce il sont mais
comme ou si leur dont elle deux nous vous je tu avec tout cette été fait être aux ces son sa ses mon ma mes
votre vos notre bonjour merci oui non j l d qu n c s ai avez suis êtes ont peut où très bien aussi ici
compte argent aujourd hui demain plaît commande toujours encore depuis"""
_DE = """der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden
aus er hat dass sie nach wird bei einer um am sind noch wie einem über einen so zum war haben nur oder aber
vor zur bis mehr durch man sein wurde ich du wir ihr mein meine dein bitte danke hallo ja nein können kann
wenn heute morgen ihre ihnen uns mir mich dich habe bin was wo warum immer konto geld ihren ihrem unser kein
keine"""
_PT = """de a o que e do da em um para é com não uma os no se na por mais as dos como mas foi ao ele das tem
à seu sua ou ser quando muito há nos já está eu também só pelo pela até isso ela entre era depois sem mesmo
aos ter seus quem nas me esse eles estão você tinha foram essa nem suas meu minha obrigado obrigada olá bom
dia conta dinheiro hoje amanhã sim seu vocês nosso nossa agora aqui pedido pode onde porque"""
_IT = """di che e la il un a è per in una mi sono ho non ma lo ha le si ti i con cosa se io come da ci no
questo qui del della dei nel nella alla al anche più gli delle perché tutto quando molto mio mia era due
loro essere dal suo sua lei lui noi voi questa hai abbiamo grazie ciao buongiorno prego sì oggi domani conto
soldi fatto l d c dell all ancora adesso puoi può dove sei stato"""
_ID = """yang dan di itu dengan untuk tidak ini dari dalam akan pada juga saya ke karena tersebut bisa ada
mereka lebih kata tahun sudah atau saat oleh menjadi orang ia telah adalah seperti sebagai bahwa dapat para
harus namun kita dua satu masih hari hanya kami kamu anda apa terima kasih selamat tolong silakan segera
uang rekening kirim besok bukan belum jika agar bagaimana kapan dimana ya pesanan"""

_HI = """है हैं का की के को में से और नहीं यह वह आप मैं हम कि पर ने था थी थे कर करें करो करना क्या भी एक तो
हो रहा रही रहे गया गई लिए अपना अपने अपनी आपका आपके आपकी आपको मेरा मेरी मेरे मुझे कृपया जी अब जो इस उस तुम
कुछ सब बहुत होगा जाएगा दें कब कहाँ कैसे"""
_MR = """आहे आहेत आणि नाही हे ते हा ही मी तुम्ही आम्ही तू माझे माझा माझी माझ्या तुमचे तुमचा तुमची तुमच्या
त्या या मध्ये साठी करा झाला झाली झाले होते होता केले केला केली काय कसे कधी कुठे कृपया पण की तर जर आता खूप
सर्व ला लगेच पैसे आपले आपल्या एक नका द्या करू शकता"""
_AR = """من في على إلى أن هذا هذه التي الذي ما لا هو هي كان عن مع أو قد كل بعد قبل يا أنا أنت نحن لك هل تم
لم لن إن ذلك كيف متى أين شكرا مرحبا حسابك المال الآن اليوم"""
_UR = """ہے ہیں کا کی کے کو میں سے اور نہیں یہ وہ آپ ہم نے پر کیا بھی ایک تو ہو رہا رہی کر کریں گیا لیے اپنا
اپنے آپکا میرا مجھے براہ کرم جی اب جو اس کچھ سب بہت"""
_FA = """است را که این آن از به برای با در می و شما من ما هم یا تا نیست شد شده کرد کنید بود خود هر چه لطفا
سلام"""
_RU = """и в не на я что он с как это по но они мы она за из у к же вы от так о бы для до ты если или мне
меня вас ваш был была было есть нет да уже только ещё еще при когда где кто всё все здравствуйте спасибо
пожалуйста привет сегодня завтра деньги счёт мой моя мои тебя"""
_UK = """і в не на я що він з як це по але вони ми вона за із у до ж ви від так про для ти якщо або мені
мене вас ваш був була було є немає та вже тільки ще при коли де хто все дякую будь ласка привіт сьогодні
завтра гроші"""

WORDS: Final[dict[str, dict[str, frozenset[str]]]] = {
    "Latin": {
        code: frozenset(words.split())
        for code, words in {
            "en": _EN,
            "hi-Latn": _HINGLISH,
            "es": _ES,
            "fr": _FR,
            "de": _DE,
            "pt": _PT,
            "it": _IT,
            "id": _ID,
        }.items()
    },
    "Devanagari": {"hi": frozenset(_HI.split()), "mr": frozenset(_MR.split())},
    "Arabic": {"ar": frozenset(_AR.split()), "ur": frozenset(_UR.split()), "fa": frozenset(_FA.split())},
    "Cyrillic": {"ru": frozenset(_RU.split()), "uk": frozenset(_UK.split())},
}
"""Everyday words by script and language, as `spans.folded` gives them."""

LETTERS: Final[dict[str, dict[str, str]]] = {
    "Latin": {
        "es": "ñ¿¡áíóúé",
        "fr": "çèéêëîïôœùûàâ",
        "de": "äöüß",
        "pt": "ãõçáâêôóéíú",
        "it": "àèìòùé",
        "": "ąęłńśźżğışčřěůőűđțșăįųūėåøæþð",
    },
    "Devanagari": {"hi": "़ड़ढ़", "mr": "ळ"},
    "Arabic": {"ar": "ةيكىأإؤ", "ur": "ٹڈڑںےہھ", "fa": ""},
    "Cyrillic": {"ru": "ыэъё", "uk": "іїєґ"},
}
"""Letters that tell a language of a script from the others; under "" those of languages that are not known here."""

ENDINGS: Final[dict[str, dict[str, str]]] = {
    "Latin": {
        "en": "tion ing ness able ment ould ght ally",
        "es": "ción ciones mente idad ando iendo amos dad",
        "fr": "ment tion eux aise ette ique eaux ons ez",
        "de": "ung ungen keit lich isch heit schaft chen tet",
        "pt": "ção ções mente dade ando endo amos ões nha",
        "it": "zione zioni mente ità ando endo iamo etto gli",
        "id": "kan nya lah annya",
        "hi-Latn": "enge unga iye ega aya",
    },
    "Devanagari": {"hi": "ाएगा ेंगे ियों ाओं ूँगा", "mr": "च्या ांना ामध्ये ासाठी तील ांचे ाचे ण्यात ावर"},
    "Arabic": {"ar": "", "ur": "", "fa": ""},
    "Cyrillic": {"ru": "ться ого ает ение", "uk": "ться ього ння"},
}
"""Endings of longer words, which count little."""
