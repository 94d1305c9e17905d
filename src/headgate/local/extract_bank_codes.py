"""Owns which banks there are: the first four letters of their IFSC, and the handles of UPI ids.

The IFSC prefixes are those of the Reserve Bank's list as razorpay/ifsc 2.0.50 (MIT) gives it, read 2026-11-29. UPI
handles are those known to be given out by banks and apps; new ones appear, so an unknown handle is
less sure, not wrong.
"""

from typing import Final

_IFSC_BANKS: Final = """
    ABHY ABNA ADBK ADCC AHDC AIRP AJAR AJHC AKJB ALLA AMCB AMDN ANDB ANZB APBL APGB APGV APMC ARBL ASBL AUBL AUCB
    BACB BARA BARB BARC BBKM BCBM BCEY BCHN BDBL BKDN BKID BMCB BNPA BNSB BOFA BOTM BUCB CBIN CCBL CCIL CHAS CITI
    CIUB CLBL CNRB COAS CORP COSB CRES CRGB CRLY CRUB CSBK CSBX CTCB DBSS DCBL DCUB DEOB DEUT DICG DLSC DLXB DMKJ
    DNSB DOHB DURG EBIL EIBI ESFB ESMF FDRL FINO FIRN FSFB GABK GBCB GDCB GSCB GSSB HARC HCBL HDFC HITP HPSC HSBC
    HUSB HVBK IBBK IBKL IBKO ICBK ICIC ICLL IDFB IDIB INDB INPA IOBA IPOS JAKA JANA JASB JIOP JJSB JPCB JSBL JSBP
    JSFB JTSC KACE KAIJ KANG KARB KBKB KCCB KJSB KKBK KLGB KNSB KOEX KOLH KSBK KSCB KUCB KVBL KVGB LAVB MAHB MAHG
    MCAB MCBL MDBK MDCB MHCB MSBL MSCI MSHQ MSLM MSNU MUBL MVCB NBAD NBRD NCUB NESF NGSB NHBA NICB NJBK NKGS NMCB
    NNSB NOSC NSPB NTBL NVNM ORBC ORCB PHNP PJSB PKGB PMEC PPNT PSBL PSIB PUCB PUNB PUSD PYTM QNBA RABO RATN RBIN
    RBIP RBIS RDCB RMGB RNSB RRBP RSBL RSCB RSSB SABR SAHE SANT SBIN SBLS SCBL SDCB SDCE SECB SHBK SIBL SIDC SJSB
    SKNB SKSB SMBC SMCB SMNB SNBK SOGE SPCB SRCB STCB SUNB SURY SUSB SUTB SVCB SVSH SYNB TAUB TBMC TBSB TCBR TDCB
    TGMB TGRB TJSB TMBL TMSB TNCB TNSC TPSC TSAB TSSB TTCB UBIN UCBA UCLB UJVN UNBA UOVB UPCB URBN USCB UTBI UTIB
    UTKS UUCB VARA VASJ VCOB VIJB VSBA VSBL VTBJ VVSB WBSC XNSE YESB ZCBL ZSBL
"""
IFSC_BANKS: Final = frozenset(_IFSC_BANKS.split())
"""The 257 prefixes in use."""

_UPI_HANDLES: Final = """
    okaxis oksbi okicici okhdfcbank okbizaxis okbizicici ybl ibl axl paytm ptyes ptsbi ptaxis pthdfc apl yapl rapl
    upi bhim sbi icici hdfcbank axisbank axis axisb axisgo kotak kmbl kotak811 barodampay barodapay bob cnrb
    canarabank pnb unionbank unionbankofindia uboi ubi indus indusind federal fbl fede fifederal idfcbank idfcfirst
    idfcnetc idfc rbl rblbank kbl jupiteraxis fam yesfam yesg slice sliceaxis sliceicici freecharge airtel
    airtelpaymentsbank jio jiopay postbank ippb aubank au equitas dbs hsbc citi citibank citigold sc scb scbl
    scmobile yesbank yesbankltd yespay yespop yescred yescurie yestp yeswp ikwik mbk mobikwik naviaxis naviyes
    tapicici timecosmos waicici wahdfcbank waaxis wasbi abfspay goaxb goaxis superyes shriramhdfcbank dlb kvb
    karurvysya kvbank tmb uco ucobank vijb vijayabank mahb mahabank psb obc allbank allahabadbank andb syndicate
    synd syndbank idbi idbibank boi boiupi csb csbpay csbcash dcb dcbbank esaf nsdl nsdlpb pingpay payzapp pz
    hdfcbankjd myicici pockets eazypay ezeepay imobile lime indianbank indbank indianbk iob cboi centralbank cbin
    cmsidfc sib karb karbo jkb jsb lvb lvbank bandhan utbi unitedbank trans zoicici zoaxis oxymoney omni amazonpay
    cred axiscred credpay bpunity tjsb nkgsb svcbank sbicard finobank fino ujjivan utkarsh uci rmhdfcbank
    rajgovhdfcbank mairtel oneyes sbm ktb payu razorpay rzp rzpx icicipay icicibank hdfcbanksmartx digikhata kphdfc
    kbaxis kbsbi kbicici stanchart standardchartered sharedbank freoicici niyoicici fkaxis dhani pinelabs eko ratn
    airpay mvhdfc mypsp myaxis jarunity bajaj bajajpay bfl tmnidfc gocash inhdfc ratnakar hdfc pthdfcbank
"""
UPI_HANDLES: Final = frozenset(_UPI_HANDLES.split())
"""Handles that stand behind the @ of a UPI id."""

UPI_HANDLE_TAILS: Final = ("axis", "icici", "hdfcbank", "hdfc", "sbi", "yesbank", "idfc", "unity")
"""Banks that stand behind an app's handle end it so: `naviaxis`, `tapicici`."""


def is_upi_handle(handle: str) -> bool:
    """A handle, in lower case, that is known or ends as those of sponsoring banks do."""
    return handle in UPI_HANDLES or (5 < len(handle) <= 16 and handle.isalpha() and handle.endswith(UPI_HANDLE_TAILS))
