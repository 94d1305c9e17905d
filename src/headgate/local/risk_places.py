"""Where links of messages lead: places that firms and the state use, and those that scams favour. Data only.

Read from the firms' own sites and the public lists of the Indian state in November 2026. A wrong entry makes a risk a
little larger or smaller; nothing is blocked by it.
"""

from typing import Final


def _names(text: str) -> list[str]:
    return text.split()


OFFICIAL: Final = frozenset(
    _names(
        """1mg.com adanielectricity.com airindia.com airtel.com airtel.in ajio.com amazon.com amazon.in amzn.in amzn.to
    apollo247.com apple.com axisbank.co.in axisbank.com bajajfinserv.com bajajfinserv.in bank.in bankofbaroda.in
    bhimupi.org.in bigbasket.com blinkit.com bluedart.com bookmyshow.com bseindia.com bsesdelhi.com bsnl.co.in
    camsonline.com canarabank.com cleartrip.com cowin.gov.in delhivery.com dhl.com dominos.co.in dot.gov.in
    dtdc.com dtdc.in ecomexpress.in ekartlogistics.com epfindia.gov.in facebook.com federalbank.co.in fedex.com
    fkrt.it flipkart.com goibibo.com goindigo.in goo.gle google.com gov.in gov.uk groww.in hdfcbank.com
    hdfcbk.io hdfclife.com hotstar.com hpcl.co.in icicibank.com iciciprulife.com idfcfirstbank.com
    incometax.gov.in indiapost.gov.in indusind.com instagram.com iocl.com irctc.co.in jio.com kfintech.com
    kotak.com lalpathlabs.com licindia.in linkedin.com mahadiscom.in mahanagargas.com makemytrip.com meesho.com
    metropolisindia.com microsoft.com myntra.com myvi.in naukri.com netflix.com nic.in npci.org.in nseindia.com
    nykaa.com olacabs.com onlinesbi.com paytm.com phonepe.com pnbindia.in policybazaar.com practo.com
    rapido.bike rbi.org.in redbus.in sancharsaathi.gov.in sbi sbi.co.in sbicard.com sbilife.co.in shadowfax.in
    spotify.com swiggy.com tatacapital.com tataplay.com tatapower-ddl.com tatapower.com torrentpower.com
    uber.com uidai.gov.in unionbankofindia.co.in ups.com urbancompany.com vodafone.in whatsapp.com
    xpressbees.com yesbank.in zeptonow.com zerodha.com zomato.com zoom.us"""
    )
)
"""Domains; hosts below them count too."""

SHORTENERS: Final = frozenset(
    _names(
        """adf.ly bit.ly bl.ink buff.ly clck.ru cutt.ly dub.sh gg.gg goo.gl is.gd kutt.it ln.run lnkd.in n9.cl ow.ly
    qr.co rb.gy rebrand.ly s.id short.gy shorte.st shorturl.at shrtco.de soo.gd surl.li t.ly tiny.cc tiny.one
    tinyurl.com u.to urlz.fr v.gd"""
    )
)

MESSENGERS: Final = frozenset(
    _names("""api.whatsapp.com chat.whatsapp.com t.me telegram.dog telegram.me wa.link wa.me""")
)

CHEAP: Final = frozenset(
    _names(
        """000webhostapp.com app.link autos beauty bid biz blogspot.com bond buzz cam cc center cf cfd click club cn
    cyou date digital download duckdns.org finance firebaseapp.com fun ga github.io glitch.me godaddysites.com
    gq hair help icu info link live loan lol makeup ml monster mov netlify.app ngrok-free.app ngrok.io online
    pages.dev pw quest racing repl.co rest review ru sbs shop site skin space store stream su support tk top
    trade vercel.app vip web.app webflow.io website weebly.com win wixsite.com work ws xyz zip"""
    )
)
"""Top-level domains, and places where anybody can put a page for nothing."""

BRANDS: Final = tuple(
    _names(
        """sbi yono hdfc icici axis kotak pnb canara baroda paytm phonepe gpay upi amazon amaz flipkart netflix jio
    airtel irctc indiapost fedex dhl bluedart delhivery dtdc uidai aadhaar aadhar incometax itr epfo fastag
    parivahan echallan kyc rbi npci bank lic sarkari whatsapp facebook instagram microsoft apple paypal reward
    rewards refund lottery kbc pmkisan electricity bijli usps royalmail hmrc"""
    )
)
"""Names and words that a domain of somebody else holds in order to look official."""

TOP_LEVEL: Final = tuple(
    _names(
        """com in co net org info biz xyz top icu click link online site website store shop live club vip buzz cyou sbs
    cfd io app dev me ly at gd cc tv us uk eu de ru cn tk ml ga cf gq pw ws su win bid loan work fun space
    digital support help center finance bank sbi gy to it id one bike page co.in co.uk"""
    )
)
"""What makes `a.b` a link where neither http nor www stands before it."""
