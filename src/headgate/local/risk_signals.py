"""What scam and phishing messages say, in English, Hindi and Hinglish: data, and nothing that reads it.

A signal is a category, a reason in words, and phrases without their little words (`LITTLE`), which a text may have
between them: "update kyc" stands for "update your KYC" too. Signals of the category "" speak for a message.

Written from what India's banks, the RBI, CERT-In, I4C and TRAI warn of in public. If you add a signal: give it a
category and train the weights anew (`python -m bench.risk_training`).
"""

from typing import Final

import msgspec


class Signal(msgspec.Struct, frozen=True):
    """What one group of phrases means. `prior` is what it weighs before any message is seen."""

    category: str
    reason: str
    phrases: tuple[str, ...] = ()
    prior: float = 0.6


def _phrases(text: str) -> tuple[str, ...]:
    return tuple(phrase for line in text.splitlines() for phrase in map(str.strip, line.split(",")) if phrase)


LITTLE: Final = frozenset(
    _phrases(
        """a, an, the, your, ur, yr, my, our, is, are, be, been, has, have, to, of, for, in, on, at, by, with, and,
    or, this, that, it, its, u, you, we, will, was, aap, aapka, aapki, aapke, apka, apki, apke, apna, apni,
    ka, ki, ke, ko, hai, hain, ho, se, me, mein, par, ne, ye, yeh, आप, आपका, आपकी, आपके, अपना, अपनी, अपने,
    का, की, के, को, है, हैं, से, में, पर, ने, यह"""
    )
)

SIGNALS: Final[dict[str, Signal]] = {
    "urgency": Signal(
        "pressure",
        "presses for time",
        _phrases(
            """urgent, urgently, immediately, immediate, asap, right now, act now, hurry, final notice,
            final warning, last warning, last chance, last day, last date, final reminder, within 24 hours,
            within 24 hrs, within 12 hours, within 2 hours, within 48 hours, within 30 minutes,
            within 10 minutes, within 1 hour, next 2 hours, next 24 hours, before midnight, tonight 9,
            tonight 9.30, today itself, expires today, expiring today, limited time, only today, valid 12hrs,
            valid 12hrs only, before 12, 24 hrs, 24hrs, turant, jaldi, jaldi karo, abhi, aaj raat, aaj hi,
            aakhri, akhri, foran, fauran, 24 ghante, 2 ghante, तुरंत, जल्दी, अभी, आज रात, आज ही, आखिरी, फौरन,
            शीघ्र, घंटे, 24 घंटे, अंतिम चेतावनी, अंतिम मौका, in 6 hours, in 2 hours, in 24 hours, 5 pm today,
            warna, nahi to, नहीं तो"""
        ),
        0.4,
    ),
    "threat": Signal(
        "threat",
        "threatens a loss",
        _phrases(
            """blocked, block today, get blocked, suspended, suspend, suspension, deactivated, deactivate,
            deactivation, disconnected, disconnect, disconnection, restricted, terminated, frozen, freeze,
            cancelled today, permanently closed, account closed, legal action, legal notice, legal proceedings,
            penalty, court case, arrest, arrested, warrant, barred, switched off, cut tonight, returned sender,
            face action, band ho, band ho jayega, band ho jayegi, band kar, band kar diya, block ho,
            block ho jayega, block kar, kat jayegi, kat jayega, kaat di, kati jayegi, jail, giraftar, बंद, ब्लॉक,
            कट, काट, काटी, कट जाएगी, निलंबित, कानूनी, गिरफ्तार, गिरफ्तारी, जेल, वारंट, जुर्माना"""
        ),
    ),
    "prize": Signal(
        "prize",
        "promises a prize",
        _phrases(
            """won, winner, winners, winning, prize, prizes, lottery, lucky draw, lucky winner, lucky customer,
            lucky number, jackpot, awarded, award, selected receive, congratulations, congrats won, kbc,
            kaun banega crorepati, bumper prize, free gift, gift voucher, spin wheel, scratch card,
            reward points, mega draw, weekly draw, prize draw, bonus prize, guaranteed prize, lucky, lakhs,
            lakh cash, lakh rupees, inaam, inam, lottery lagi, lottery nikli, jeet, jeeta, jeeti, jeete,
            jeet gaye, jeeta hai, badhai, mubarak ho, इनाम, लॉटरी, जीत, जीता, जीते, जीती, विजेता, बधाई, लकी ड्रा,
            उपहार, लाख, free recharge, free iphone, relief fund, scholarship sanctioned, iphone jeeta,
            select hua, selected iphone, offer sab ko, spin claim, vote me, contest"""
        ),
    ),
    "claim": Signal(
        "prize",
        "asks to claim something",
        _phrases(
            """claim, claim now, 2 claim, claim code, redeem now, redeem today, redeem points, collect prize,
            collect gift, collect reward, receive prize, lene liye, paane liye, pane liye, claim karo,
            claim karein, प्राप्त करने, पाने, क्लेम"""
        ),
    ),
    "fee": Signal(
        "fee",
        "asks for money first",
        _phrases(
            """processing fee, processing charge, processing charges, registration fee, registration charges,
            security deposit, refundable deposit, refundable, file charge, file charges, advance payment,
            advance fee, pay rs, pay ₹, pay only, pay small, small fee, customs duty, customs fee, custom duty,
            customs charge, clearance fee, clearance charge, gst charge, delivery fee, redelivery fee,
            redelivery, reschedule fee, token amount, insurance charge, tax pay, transfer rs, transfer ₹,
            send rs, send ₹, training fee, uniform fee, activation fee, service charge pay, fee pay,
            settlement amount, pay fine, pay now avoid, fees bharo, fees jama, paise bhejo, paisa bhejo,
            paise bhej, paise jama, paise dal, jama karo, jama karein, jama karna, bhugtan karo, शुल्क, फीस,
            जमा करें, जमा कर, पैसे भेजो, पैसे भेजें, रुपये भेजें, deposit fee, pay tax, pay gst, rupees advance,
            fee upi, charge upi, rupaye fees, hazar bhejo, hazaar bhejo, paise do, jama karao, rupaye bhejo,
            deposit confirm"""
        ),
    ),
    "identity": Signal(
        "kyc",
        "speaks of KYC, PAN or Aadhaar",
        _phrases(
            """kyc, ekyc, e kyc, pan, pan card, pancard, pan number, pan no, aadhaar, aadhar, adhar, adhaar,
            aadhaar card, aadhar card, re kyc, rekyc, kyc update, केवाईसी, पैन, पैन कार्ड, आधार, आधार कार्ड"""
        ),
        0.3,
    ),
    "verify": Signal(
        "kyc",
        "asks to update or verify",
        _phrases(
            """update kyc, update pan, update pan card, update pancard, update aadhaar, update aadhar,
            update details, update account, update address, update now, update today, update records,
            update bank, update information, verify account, verify now, verify details, verify identity,
            verify kyc, verify mobile, verify payment, verify card, verify login, kindly update, please update,
            please verify, kindly verify, confirm details, confirm identity, confirm account, complete kyc,
            complete ekyc, complete verification, link pan, link aadhaar, link aadhar, reactivate, re activate,
            reactivate account, unblock, unlock account, restore access, restore account, re verify, reverify,
            validate, submit pan, submit aadhaar, submit kyc, login now, log update, click verify, click update,
            update through, update karo, update karein, update kare, update karwa, update kara, update nahi,
            verify karo, verify karein, kyc karo, kyc karein, kyc karwa, kyc complete karo, अपडेट करें, अपडेट कर,
            अपडेट नहीं, सत्यापित, सत्यापन, वेरीफाई, लिंक करें"""
        ),
    ),
    "secret": Signal(
        "otp",
        "asks for an OTP, PIN or password",
        _phrases(
            """share otp, share code, share pin, share cvv, share password, share card, share verification code,
            share 6 digit, send otp, send code, send me otp, send me code, send 6 digit, tell otp, tell code,
            tell me otp, tell me code, give otp, give me otp, give code, provide otp, provide cvv, forward otp,
            forward code, forward sms, read otp, read out, confirm otp, reply otp, reply code, otp received,
            code received, whatsapp code, 6 digit code sent, code sent mistake, enter upi pin, enter pin,
            enter mpin, enter otp receive, enter card, card number cvv, cvv, cvv number, atm pin,
            debit card number, netbanking password, card details, mpin, otp batao, otp bataiye, otp bataye,
            otp batayein, otp bata, otp bhejo, otp bhejiye, otp bhej, otp send karo, otp share karo, otp dijiye,
            code batao, code bhejo, code bhej, code bata, pin batao, pin dalo, pin daalo, pin daliye, pin dal,
            pin daal, upi pin dalo, ओटीपी बताएं, ओटीपी बताइए, ओटीपी बताओ, ओटीपी भेजें, ओटीपी भेजो, ओटीपी बता,
            ओटीपी शेयर, कोड भेजें, कोड भेजो, कोड बताएं, कोड बता, पिन डालें, पिन डालो, पिन दर्ज, सीवीवी,
            recovery phrase, seed phrase, 12 word, card number expiry, expiry cvv, pin share, number atm pin,
            batayein otp, cvv batayein, code jo aaya, code aaya, enter code, send screenshot, share 9 digit,
            digit code"""
        ),
        1.5,
    ),
    "guarded": Signal(
        "",
        "warns not to share a secret",
        _phrases(
            """do not share, don t share, dont share, never share, not share, do not disclose, never disclose,
            never asks, never ask, never calls, don t disclose, not shared anyone, do not forward,
            never call ask, beware, share na karein, share na karen, share na kare, share mat, kisi na batayen,
            kisi na bataye, kisi mat batana, kisi share na, साझा न करें, साझा ना करें, किसी न बताएं, शेयर न करें,
            न बताएं"""
        ),
        -0.9,
    ),
    "collect": Signal(
        "upi",
        "wants a UPI request approved to receive money",
        _phrases(
            """collect request, accept request, approve request, approve collect, accept collect,
            approve payment request, accept payment request, approve upi, approve receive, accept receive,
            pin receive, upi pin receive, scan qr, scan code, scan receive, qr code receive, qr receive,
            receive money, receive payment, receive refund, receive cashback, request money sent,
            sent request approve, money request, click pay receive, press pay, tap pay, request accept karo,
            request accept karein, request approve karo, approve karo, approve karein, accept kar, accept karo,
            accept karein, qr scan, qr bheja, scan karo, scan karke, scan karte, scan kijiye, pay dabao,
            paisa aa jayega, paise aa jayenge, paise mil jayenge, स्कैन करें, स्कैन करते, स्वीकार करें,
            रिक्वेस्ट, अप्रूव करें, qr bheja hai, sending qr, send qr, bheji pin, request bheji, request bheja,
            क्यूआर, पिन डालें, sent request, approve enter, scan qr code"""
        ),
        1.2,
    ),
    "job": Signal(
        "job",
        "offers easy work or income",
        _phrases(
            """part time, parttime, part time job, work from home, work home, wfh, earn daily, earn money,
            earn upto, earn up, earn rs, earn ₹, daily income, daily earning, daily salary, daily payout,
            per day income, per day, extra income, easy money, like videos, liking videos, youtube videos,
            subscribe channels, rate hotels, google reviews, hotel reviews, google maps review, complete tasks,
            simple tasks, simple task, prepaid task, task group, telegram task, data entry, typing work,
            form filling, copy paste, no interview, without interview, no experience, no qualification,
            hr manager, hiring manager, resume shortlisted, resume selected, profile shortlisted, job offer,
            shortlisted job, airport job, vacancy, online job, packing work, pencil packing, recruitment agency,
            passed our, ghar baithe, ghar baithe kamao, ghar baithe kaam, roz kamao, rozana, kamao, kamaye,
            kamayein, kama sakte, naukri, packing kaam, mobile kamao, घर बैठे, कमाएं, कमाओ, कमाई, रोज, पैकिंग,
            नौकरी, पार्ट टाइम, online reviewer, product reviewer, prepaid, commission, rent account,
            receive money bank, like youtube, rate hotels google, earn per, earn 3, part time amazon, per review,
            घर बैठे काम, रोज 2"""
        ),
        0.5,
    ),
    "parcel": Signal(
        "parcel",
        "speaks of a parcel or customs",
        _phrases(
            """parcel, package, consignment, shipment, courier, customs, custom office, delivery failed,
            delivery attempt, unable deliver, could not deliver, not delivered, undelivered, address incomplete,
            incomplete address, incorrect address, wrong address, address missing, missing house, house number,
            warehouse, indiapost, india post, fedex, dhl, blue dart, bluedart, delhivery, dtdc, ups, seized,
            illegal items, illegal parcel, contraband, drugs found, drugs, parcel ruka, parcel atka, parcel aaya,
            parcel pakda, कस्टम, पार्सल, कूरियर, डिलीवरी"""
        ),
        0.2,
    ),
    "loan": Signal(
        "loan",
        "offers or collects a loan",
        _phrases(
            """instant loan, personal loan, pre approved loan, preapproved loan, loan approved, loan sanctioned,
            loan offer, loan upto, loan without, loan 5 minutes, loan minutes, loan app, no cibil, no documents,
            without documents, without cibil, low cibil, bad cibil, no guarantor, mudra loan, pm loan,
            loan aadhaar, loan aadhar, loan yojana, lowest interest, 0 interest, zero interest, 2 interest,
            1 interest, loan recovery, contact list, all contacts, photos contacts, nude, morphed, loan mil,
            loan milega, loan pass, loan lelo, loan chahiye, turant loan, bina cibil, bina document,
            bina guarantor, bina kagaz, लोन, ऋण, बिना सिबिल, बिना गारंटी, बिना दस्तावेज"""
        ),
        0.5,
    ),
    "electricity": Signal(
        "electricity",
        "speaks of cutting electricity",
        _phrases(
            """electricity power, electricity connection, electricity bill, electricity officer, electricity office,
            electricity department, power disconnected, power supply, power cut, bill not updated,
            previous month bill, last month bill, meter, light bill, lineman, bijli, bijli bill, bijli vibhag,
            bijli connection, bijli kat, light kat, bill update nahi, pichle mahine bill, बिजली, बिजली बिल, मीटर,
            कनेक्शन, पिछले महीने"""
        ),
        0.3,
    ),
    "authority": Signal(
        "authority",
        "speaks as police, court or a regulator",
        _phrases(
            """digital arrest, cbi, narcotics, ncb, enforcement directorate, ed officer, money laundering,
            crime branch, cyber crime, cyber cell, cybercrime, police, mumbai police, delhi police,
            police station, fir, fir registered, court, supreme court, non bailable, arrest warrant, trai,
            dot department, telecom department, department telecom, interpol, sim misused, illegal activities,
            illegal activity, illegal transactions, hawala, terror, do not tell anyone, don t tell anyone,
            stay video call, skype, surveillance, national secret, customs officer, income tax department,
            rbi officer, sp office, inspector, sub inspector, safe account, rbi verification account,
            verification account, secret supervision account, pulis, police wale, thana, thane,
            video call par raho, video call pe, kisi mat batana, case darj, mukadma, beta pakda, ladka pakda,
            rape case, डिजिटल अरेस्ट, पुलिस, सीबीआई, साइबर क्राइम, अदालत, कोर्ट, थाना, थाने, एफआईआर,
            मनी लॉन्ड्रिंग, ड्रग्स, वीडियो कॉल, ट्राई, आयकर विभाग, income tax notice, notice u s, court summons,
            army officer, advocate, summons, serious case, cyber officer, crime officer, sarkari adhikari,
            अधिकारी, सेना"""
        ),
        0.5,
    ),
    "refund": Signal(
        "refund",
        "promises a refund or returns of an overpayment",
        _phrases(
            """refund, refunds, tax refund, itr refund, income tax refund, refund approved, refund pending,
            refund failed, process refund, claim refund, excess payment, overpaid, paid twice, extra paid,
            by mistake, mistake sent, sent mistake, wrongly sent, wrongly transferred, wrong number,
            wrong account, accidentally sent, return money, return my money, send back, please return, cashback,
            cash back, subsidy, galti se, galti bhej, galti gaye, paise wapas, wapas kar, wapas karo, wapas bhej,
            wapas kar do, रिफंड, वापस, गलती, सब्सिडी, कैशबैक"""
        ),
        0.3,
    ),
    "institution": Signal(
        "impersonation",
        "speaks as a bank or a firm",
        _phrases(
            """dear customer, dear user, dear sir madam, dear account holder, dear cardholder, dear card holder,
            dear consumer, dear valued customer, dear subscriber, dear taxpayer, dear client, valued customer,
            sbi, state bank, hdfc, icici, axis bank, kotak, pnb, canara, bank of baroda, bob, union bank, idfc,
            yes bank, yono, paytm, phonepe, google pay, gpay, amazon, flipkart, netflix, jio, airtel, vodafone,
            bsnl, lic, irctc, rbi, reserve bank, customer care, customer support, customer service, helpline,
            help desk, helpdesk, bank manager, bank officer, branch manager, head office, credit card department,
            microsoft, epfo, epf, uidai, fastag, hpcl, indane, whatsapp team, whatsapp support,
            instagram support, facebook security, priya grahak, priy grahak, bank se bol, bank manager bol,
            bank bol raha, customer care bol, प्रिय ग्राहक, प्रिय उपभोक्ता, बैंक, बैंक मैनेजर, ग्राहक,
            ग्राहक सेवा, एसबीआई, आरबीआई"""
        ),
        0.1,
    ),
    "remote": Signal(
        "remote",
        "wants an app installed or a screen shared",
        _phrases(
            """anydesk, any desk, teamviewer, team viewer, quicksupport, quick support, rustdesk, alpemix,
            screen share, share screen, screen sharing, apk, apk file, install app, install apk,
            install application, download app, download apk, download application, download form, install and,
            install file, open file, attached app, invitation apk, challan apk, app download karo,
            app download karein, app install karo, app install karein, app install kare, install karo,
            apk download, एप डाउनलोड, ऐप डाउनलोड, ऐप इंस्टॉल, इंस्टॉल करें, डाउनलोड करें, एनीडेस्क,
            wedding card apk, open attached, allow remote, remote access, anydesk app, 9 digit code, card apk,
            attached file"""
        ),
        1.0,
    ),
    "investment": Signal(
        "investment",
        "promises returns",
        _phrases(
            """guaranteed return, guaranteed returns, guaranteed profit, assured returns, assured return,
            fixed returns, high returns, daily profit, daily returns, double money, double your, money double,
            doubled, 10x, 5x, 3x returns, 200 profit, 100 profit, risk free, zero risk, no loss, stock tips,
            sure shot, insider, upper circuit, ipo allotment, trading group, trading tips, trading account,
            crypto, bitcoin, btc, usdt, forex, binary trading, invest rs, invest ₹, invest only, invest now,
            minimum investment, vip group, whatsapp group, join group, join telegram, foreign institutional,
            institutional account, profit daily, withdraw profit, betting, satta, rummy bonus, casino, ipl toss,
            paisa double, paise double, double ho, paisa dugna, munafa, nivesh, guaranteed munafa, पैसा डबल, डबल,
            दोगुना, मुनाफा, निवेश, गारंटीड, invest usdt, gold trader, dugna, double scheme, double yojana,
            trading bot, ai trading, ai profit, withdraw daily, डबल योजना, make high"""
        ),
        1.0,
    ),
    "premium": Signal(
        "premium",
        "costs money to answer",
        _phrases(
            """150p, 150ppm, 10p, 50p, 25p, per msg, p msg, per min, per minute, p min, 1.50 week, per week,
            msg rcvd, mtmsg, national rate, nat rate, bt national rate, po pobox, box, over 18, over 16, t cs,
            ts cs, t c, tcs, txt stop, text stop, reply stop, send stop, 2 stop, opt out, unsubscribe, unsub,
            subscription, subscribe, subscribed, cust care, customer services, ringtone, ringtones, polyphonic,
            tone, tones, logo, logos, wallpaper, txt, text yes, txt yes, free msg, freemsg, free message,
            free entry, free text, free call, freephone, freefone, camera phone, video phone, half price,
            line rental, from landline, land line, cost, rcvd, unredeemed, bonus caller, caller prize,
            cash balance, land row"""
        ),
        0.3,
    ),
    "dating": Signal(
        "dating",
        "offers company",
        _phrases(
            """sexy, sex, horny, xxx, adult, dating, dating service, flirt, girls, lonely, lonely housewives,
            housewives, hot girls, naughty, nude video, meet singles, singles, local girls, massage, escort,
            friendship club, call boy, play boy, wet, babes, secret admirer, admirer, fancies, find out who,
            guess who, video chat girls, sugar mummy, ladki se baat, ladkiyon baat, dosti, akeli, दोस्ती, अकेली,
            date now, sexy date, find date, friendship, video chat"""
        ),
        0.5,
    ),
    "relative": Signal(
        "relative",
        "a relative or friend in sudden need",
        _phrases(
            """new number, changed number, phone broke, phone broken, phone lost, lost phone, phone fell,
            dropped phone, hi mom, hi mum, hi dad, hello mum, hi uncle, met accident, accident, hospital,
            emergency, need money, need urgent, urgent money, send money, stuck abroad, stranded, wallet stolen,
            can t talk, can t call, cannot call, in meeting, gift cards, gift card, amazon vouchers,
            buy vouchers, keep confidential, between us, your boss, return tomorrow, return evening, pay back,
            naya number, phone toot, phone kharab, paise chahiye, paise ki zarurat, hospital bharti,
            accident ho gaya, madad kar, madad karo, kal wapas, shaam tak, नया नंबर, एक्सीडेंट, अस्पताल,
            पैसे चाहिए, मदद, पैसों जरूरत, phone kharab ho, फोन खराब, मेरा नया नंबर, buy gift, gift cards send,
            chhudane, छुड़ाने, फोन टूट"""
        ),
        0.7,
    ),
    "contact": Signal(
        "contact",
        "wants to be called or written to",
        _phrases(
            """call now, please call, pls call, call us, call me, call immediately, call back, call this,
            call officer, call given, call below, call free, just call, contact immediately, contact officer,
            contact number, contact our, contact manager, contact hr, contact whatsapp, whatsapp me, whatsapp us,
            whatsapp no, whatsapp number, whatsapp now, message whatsapp, telegram, telegram id, add telegram,
            reply yes, reply now, reply with, msg me, dm me, dm now, helpline number, call karo, call karein,
            call kare, call kijiye, sampark, sampark karein, sampark kare, phone karo, phone karein,
            whatsapp karo, whatsapp karein, message karo, message karein, संपर्क करें, संपर्क, कॉल करें, कॉल,
            फोन करें, व्हाट्सएप"""
        ),
        0.3,
    ),
    "click": Signal(
        "link",
        "asks to open a link",
        _phrases(
            """click, click here, click link, click below, tap link, tap here, tap below, open link, visit,
            visit link, follow link, link below, below link, log onto, logon, use link, via link, via this,
            given link, through link, login, sign in, link par click, link pe click, link kholo, link open,
            link dabao, niche link, neeche link, is link, लिंक, क्लिक करें, लिंक पर क्लिक, क्लिक"""
        ),
        0.4,
    ),
    "booked": Signal(
        "",
        "tells of a booked transaction",
        _phrases(
            """debited, credited, avl bal, avl bal rs, avail bal, available balance, avbl bal, avl lmt, ac, acct,
            txn, transaction, ref no, refno, upi ref, ref number, imps, neft, rtgs, spent, withdrawn, deposited,
            emi, auto pay, autopay, mandate, statement, total due, min due, minimum due, due date,
            bill generated, payment received, received payment, thank you payment, folio, nav, sip, premium paid,
            premium received, challan paid, invoice, jama hua, nikale, kat gaye, जमा, डेबिट, क्रेडिट, उपलब्ध शेष,
            शेष राशि, लेनदेन"""
        ),
        -0.5,
    ),
    "serviced": Signal(
        "",
        "tells of an order, a booking or an appointment",
        _phrases(
            """out delivery, out for delivery, arriving today, arriving tomorrow, will arrive, delivered today,
            has been delivered, been delivered, was delivered, been shipped, shipped, dispatched, picked up,
            order placed, order confirmed, order no, order id, delivery agent, delivery partner,
            delivery executive, awb, track at, pnr, boarding, coach, platform, seat, booking confirmed,
            booking id, appointment, rescheduled, check in, itinerary, ride, driver, cab, table reserved,
            prescription, lab report, report ready, token no, complaint no, service request, sr no, ticket no,
            recharge successful, recharge done, plan expires, data used, data balance, validity,
            one time password, valid 10 minutes, valid for 10, valid 5 mins, not done you, if not done, order aa,
            delivery boy, ओटीपी है, डिलीवर, ऑर्डर"""
        ),
        -0.5,
    ),
    "official": Signal("", "links to a place of the firm itself or of the state", (), -1.2),
    "tollfree": Signal("", "names a toll-free or short number", (), -0.3),
    "masked": Signal("", "names an account by its last digits", (), -0.5),
    "url": Signal("link", "holds a link", (), 0.4),
    "shortened": Signal("link", "hides where its link leads", (), 1.0),
    "program": Signal("remote", "brings an Android program (apk)", (), 3.5),
    "raw_address": Signal("link", "links to a bare address", (), 1.5),
    "cheap_domain": Signal("link", "links to a domain of a kind that scams favour", (), 1.5),
    "lookalike": Signal("lookalike", "links to a domain that looks like a firm's", (), 1.8),
    "messenger": Signal("contact", "leads to a messenger", (), 0.7),
    "mixed_script": Signal("disguise", "mixes letters of several scripts in a word", (), 1.2),
    "hidden": Signal("disguise", "hides characters in words", (), 0.6),
    "spaced": Signal("disguise", "spells a word with gaps", (), 0.5),
    "mobile": Signal("contact", "names a mobile number", (), 0.3),
    "premium_number": Signal("premium", "names a number that costs money to call", (), 1.0),
    "short_code": Signal("premium", "wants a text sent to a short number", (), 0.8),
    "upi_id": Signal("upi", "names a UPI id", (), 0.2),
    "money": Signal("money", "names an amount", (), 0.1),
    "large_money": Signal("money", "names a large amount", (), 0.4),
    "shouting": Signal("pressure", "is written in capitals", (), 0.3),
    "exclaims": Signal("pressure", "exclaims", (), 0.2),
    "one_time_code": Signal("", "holds a one-time code", (), -0.4),
    "sender_tag": Signal("", "ends with the sender's registered name", (), -0.4),
}
"""Every signal by its name; those without phrases are found by patterns (`risk_patterns`)."""
