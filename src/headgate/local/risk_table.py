"""The weights of the risk skill, in log odds. Written by `python -m bench.risk_training`: do not edit.

Trained on 2,558 messages of the SMS Spam Collection by T. A. Almeida and J. M. Gomez Hidalgo (UCI Machine Learning
Repository, licensed CC BY 4.0, https://creativecommons.org/licenses/by/4.0/; changed: only words and their weights are
kept), and on the 148 messages of bench/data/risk_messages.jsonl that are not kept aside, each counted 8
times.
"""

from typing import Final

BIAS: Final = -6.365

NAMED: Final = """
authority=0.862 authority+fee=0.469 authority+threat=0.586 booked=-0.146 booked+masked=-1.074 booked+url=-0.200
capitals=0.679 cheap_domain=2.266 claim=0.713 click=0.599 click+threat=0.600 click+url=0.237 collect=1.789
collect+money=1.189 contact=1.454 dating=1.016 digits=1.463 electricity=-0.263 electricity+mobile=0.782
electricity+threat=0.648 exclaims=-0.066 fee=1.333 guarded=-1.083 guarded+one_time_code=-0.599 hidden=0.600
identity=0.218 identity+threat=0.674 identity+url=0.545 identity+verify=0.406 institution=-0.319
institution+mobile=0.679 institution+secret=0.583 institution+threat=1.366 institution+url=-0.176
investment=1.547 investment+contact=0.613 investment+messenger=0.689 investment+money=0.677 investment+url=0.788
job=0.088 job+contact=0.942 job+fee=0.600 job+messenger=0.602 job+money=0.239 job+url=0.602 large_money=1.335
length=2.070 loan=0.830 loan+fee=0.939 loan+money=0.600 loan+url=0.600 lookalike=2.008 masked=-0.725
messenger=0.789 mixed_script=1.201 mobile=2.573 money=1.383 money+premium_number=0.654 official=-2.501
one_time_code=-0.499 parcel=-0.166 parcel+authority=0.654 parcel+fee=0.661 parcel+mobile=0.603 parcel+url=0.099
premium=2.203 premium+contact=0.752 premium+short_code=0.816 premium_number=1.629 prize=1.475 prize+claim=0.615
prize+contact=0.568 prize+fee=0.838 prize+money=0.690 prize+url=0.826 program=4.035 raw_address=1.500
refund=1.426 refund+collect=1.037 refund+mobile=0.300 refund+url=0.603 relative=0.580 relative+fee=0.764
relative+money=1.324 relative+upi_id=0.779 relative+urgency=1.053 remote=1.724 remote+click=0.600
remote+institution=0.693 remote+url=0.600 secret=2.146 secret+guarded=-1.187 secret+threat=1.253
secret+url=0.608 sender_tag=-2.280 serviced=-1.518 short_code=1.152 shortened=1.026 shouting=0.323 spaced=0.500
threat=1.703 threat+contact=0.630 threat+identity=0.674 threat+mobile=0.654 threat+url=0.712 tollfree=-0.866
upi_id=0.343 urgency=1.429 urgency+contact=0.588 urgency+fee=0.585 urgency+url=0.421 url=1.509 verify=0.539
verify+url=0.796
"""

WORDS: Final = """
#1=0.556 #10=0.211 #11=1.737 #12=0.152 #2=0.804 #3=0.673 #4=0.806 #5=2.732 #6=0.165 #7=0.253 10am=0.081
10p=0.119 150p=0.505 1st=0.317 20p=0.461 2day=0.285 50p=0.126 60p=0.066 7pm=0.081 aa=-0.264 aadhaar=0.191
aapka=0.307 abiola=-0.113 abt=-0.099 ac=0.249 accept=0.065 account=0.979 action=-0.108 activate=0.077
actually=-0.214 address=0.120 adoring=-0.137 adult=0.380 advance=0.054 after=-0.053 afternoon=-0.157
against=-0.058 age=0.401 age16=0.110 agency=0.261 ah=-0.190 aight=-0.054 airport=-0.076 airtel=0.051 aiyo=-0.097
alert=0.282 all=-0.349 alone=0.079 already=-0.100 alright=-0.071 also=0.505 always=-0.257 am=-0.071
amazing=0.287 amazon=0.217 amount=0.092 amp=-0.451 an=0.398 and=0.502 angry=-0.056 announcement=0.766
another=-0.121 answer=0.229 answers=-0.064 any=-0.359 anybody=-0.145 anyone=-0.243 anything=-0.160 apk=0.473
app=-0.305 appeal=0.065 application=-0.279 apply=0.215 appreciate=-0.101 approved=0.139 ard=-0.094 are=-0.574
area=-0.353 around=0.414 arrested=-0.107 arrive=-0.077 as=-0.409 asap=0.379 ask=-0.138 asked=0.180 asks=-0.223
ass=-0.102 at=-0.647 auction=0.075 aur=0.396 available=-0.322 avoid=0.145 away=-0.093 b=0.283 babe=0.941
babes=-0.054 baby=-0.120 back=0.450 bags=-0.065 bak=-0.106 balance=-0.691 band=0.558 bank=-0.918 baroda=-0.190
battery=-0.073 be=-0.150 because=-0.144 bed=-0.127 bedroom=0.105 been=0.240 beer=-0.073 before=0.182 beg=0.305
begin=0.335 being=0.204 best=-0.100 between=0.052 beware=0.130 bhej=-0.263 bhejo=0.211 big=-0.329 biggest=0.090
bijli=-0.199 bill=0.321 billed=0.433 billion=-0.163 birds=0.404 bit=-0.066 blue=0.167 bola=-0.062 bonus=0.311
book=0.088 booked=-0.273 boss=0.248 both=-0.076 bought=0.199 bout=0.183 box=0.309 box334sk38ch=0.055 boy=-0.253
boytoy=-0.095 branch=-0.120 brand=0.056 break=-0.114 brilliant=-0.084 bring=-0.139 brother=-0.188 build=-0.071
buns=-0.062 burger=0.203 bus=-0.098 but=-0.299 buy=0.266 buzz=-0.129 by=0.121 bye=-0.098 cafe=-0.052 call=-0.318
callers=-0.241 callertune=-0.084 came=0.342 campus=-0.154 can=-0.134 cancelled=0.310 cancer=-0.068 cant=-0.088
car=-0.065 card=0.226 cards=0.303 care=-0.154 carry=-0.149 cash=0.223 caught=0.119 cbe=-0.082 cell=-0.066
center=0.378 chahiye=-0.109 chance=0.362 change=-0.060 charge=0.267 charged=0.105 chasing=0.313 chat=0.285
check=0.913 chennai=-0.104 cheque=0.268 chikku=-0.063 childish=-0.081 children=-0.073 choose=0.995
christmas=0.132 cibil=0.150 claim=0.102 class=-0.178 click=0.261 clock=-0.085 close=-0.053 closer=-0.113
club=0.130 co=0.605 code=0.065 collect=0.288 collection=0.052 college=0.162 com=0.152 come=-0.444 comes=0.207
coming=-0.122 company=-0.115 complaint=-0.071 confirm=0.399 confirmed=-0.384 consignment=-0.057 contact=-0.122
content=1.323 continue=-0.153 cook=-0.077 cool=-0.155 copy=-0.180 correct=0.272 cos=-0.182 cost=0.065
costs=0.401 couple=-0.051 course=-0.082 coz=-0.073 crave=-0.116 crazy=0.088 credited=0.083 cup=-0.050 cust=0.227
customer=0.821 cut=-0.070 cvv=0.199 d=-0.586 da=-0.197 darlin=-0.074 dat=-0.081 date=-0.095 dating=0.061
day=-0.199 de=-0.062 dead=-0.057 deal=-0.087 dear=0.371 debited=-0.245 decided=-0.052 decimal=-0.181
declare=-0.057 definitely=0.288 delhi=0.146 deliver=-0.185 delivery=-0.210 den=-0.101 department=-0.073
deposit=0.121 dept=0.119 desk=0.258 details=0.530 detroit=0.242 dey=-0.068 didn=-0.079 didnt=-0.161 died=0.319
difficult=-0.067 digit=0.056 digital=0.280 din=-0.127 dinner=-0.281 direct=-0.092 dis=-0.064 diwali=0.078
diya=-0.439 do=-0.647 doctor=-0.110 documents=0.120 dog=-0.051 doing=-0.185 domain=0.164 don=-0.276 done=-0.481
door=-0.180 down=0.218 download=-0.082 downloaded=0.164 downloads=0.254 draw=0.115 drink=-0.077 drive=-0.050
driver=-0.295 dude=-0.075 due=-0.142 dunga=0.112 dunno=-0.103 e=0.056 each=0.260 earlier=-0.099 early=-0.063
earn=0.262 easy=-0.069 eerie=0.073 eg=0.064 else=-0.064 em=-0.059 email=-0.567 end=0.199 ending=-0.263
ends=-0.094 english=-0.094 enjoy=1.105 enjoying=-0.148 enough=0.153 enter=0.234 epfo=-0.479 error=0.163
etc=0.207 even=-0.097 evening=0.209 every=-0.077 everyone=-0.171 everything=-0.145 ex=-0.155 excellent=-0.118
expecting=-0.052 experience=0.087 expired=0.177 expires=-0.146 expiry=0.134 explicit=0.461 face=-0.068
failed=0.164 family=-0.128 fantasies=0.066 fantastic=0.109 farm=-0.085 fast=-0.050 fastag=0.070 fav=0.278
february=-0.078 feel=0.345 few=-0.137 fights=-0.067 film=0.328 finally=-0.077 find=-0.162 fine=-0.246
finish=-0.150 finished=-0.078 first=0.118 flipkart=-0.145 following=0.077 fone=0.228 food=-0.159 for=0.340
forever=-0.071 forget=0.370 forgot=-0.057 form=-0.338 found=0.198 fraud=-0.068 free=0.880 freemsg=0.418
freephone=0.095 friend=-0.149 friends=-0.433 friendship=-0.054 from=0.743 fuck=-0.151 ful=-0.081 full=-0.052
fullonsms=-0.096 fun=0.372 funny=-0.113 further=0.177 future=0.301 g=0.325 game=0.162 games=0.496 gas=-0.076
gate=-0.231 gaya=0.079 gd=-0.088 gee=-0.074 geeee=-0.053 get=0.328 getting=0.185 gift=0.351 girls=0.071
giv=0.190 glad=0.288 go=0.165 god=0.172 goes=-0.057 goin=-0.058 going=-0.321 gold=0.497 gone=-0.102 gonna=-0.139
good=-0.169 got=-0.236 goto=0.161 gotta=-0.056 gotten=-0.135 gov=-0.502 gr8=-0.106 great=0.251 green=0.305
grins=-0.201 ground=0.154 group=0.064 gt=-0.722 gud=-0.215 guess=-0.081 guy=-0.074 gym=-0.109 had=-0.305
hai=0.076 hain=-0.068 hair=-0.110 half=-0.176 happening=-0.143 happiness=-0.107 happy=-0.217 hard=-0.062
has=-0.317 hav=-0.169 have=1.101 haven=-0.080 havent=-0.101 having=-0.108 hdfc=-0.373 he=-0.395 head=-0.093
hear=-0.059 heard=0.201 heart=-0.082 hearts=-0.114 heavy=-0.055 helen=0.374 hello=0.359 help=0.591 her=-0.146
here=0.194 hey=-0.496 hi=0.130 high=0.511 him=-0.474 his=-0.375 hit=0.173 hmm=-0.060 ho=0.123 hockey=0.239
hold=0.255 holder=0.096 home=-0.374 honey=-0.146 hoon=-0.061 hope=-0.339 horny=0.050 hospital=0.131
hostel=-0.188 hot=0.228 hour=-0.090 hours=-0.216 house=-0.330 how=-0.615 hr=-0.174 hrs=0.170 http=0.810
https=-0.503 hua=-0.162 huh=-0.100 hurry=-0.247 hurt=-0.111 i=-1.116 ice=0.241 icici=-0.365 id=-0.285 if=-0.496
ill=-0.115 im=-0.283 important=0.665 in=-0.136 income=-0.108 india=0.303 info=0.183 information=0.276
install=0.234 instant=0.126 interested=0.260 interview=-0.224 invest=0.454 invitation=0.402 invited=0.408
is=-1.008 issue=-0.271 it=-0.512 items=-0.087 its=-0.522 itself=-0.071 iμa=1.151 iμi=0.506 jaldi=0.314
january=-0.107 jayega=0.175 jio=-0.144 job=-0.213 join=0.122 journey=-0.449 jus=-0.060 k=-0.157 ka=-0.399
kal=-0.124 karo=0.138 kate=-0.088 ke=0.348 keep=-0.177 kerala=0.079 ki=-0.115 king=0.221 kisi=-0.110 kiss=-0.195
know=-0.592 ko=-0.388 l8r=-0.053 lab=-0.079 ladies=0.653 lakh=0.934 lar=-0.080 last=0.183 late=-0.081
later=-0.618 latest=0.775 leave=-0.092 left=0.176 let=0.100 lets=-0.077 letter=-0.170 liao=-0.058 library=-0.184
lic=0.248 life=0.155 lift=-0.077 light=-0.116 like=-0.498 liking=0.261 limit=0.148 limits=-0.222 link=0.426
listen=-0.065 little=-0.169 live=0.206 liverpool=0.372 living=-0.053 liye=0.357 loan=0.051 local=-0.096
lol=-0.302 long=-0.072 look=-0.154 looking=0.118 lor=-0.192 loss=0.162 lost=0.695 lot=-0.162 lottery=0.095
lovable=-0.110 love=-0.300 loved=-0.163 lovely=-0.094 loverboy=-0.057 loving=-0.078 lt=-0.726 ltd=0.502
lucky=-0.150 lunch=-0.081 luv=0.205 m=0.200 made=0.328 maid=-0.075 mail=-0.196 maintain=-0.084 make=0.552
making=-0.097 man=-0.258 manage=-0.288 manager=0.438 many=-0.206 march=-0.102 marriage=0.322 mat=-0.104
maturity=-0.279 may=-0.240 maybe=-0.085 me=-0.494 meal=-0.076 means=-0.069 meet=-0.129 mein=0.376 member=-0.513
merry=-0.052 message=1.103 met=0.471 mid=-0.058 midnight=0.180 might=-0.195 min=0.465 mine=-0.052 mins=0.485
minutes=-0.068 miss=-0.248 missed=0.188 missing=-0.140 mob=0.191 mobile=1.111 mobiles=-0.147 mom=-0.207
moments=-0.068 monday=-0.315 money=-0.125 more=0.341 morning=-0.328 morphine=-0.075 most=0.114 move=-0.093
movie=0.271 movies=-0.054 mr=-0.050 mrng=-0.057 msg=0.418 msgs=0.357 murder=-0.077 murdered=-0.075
murderer=-0.075 must=-0.054 my=-0.576 n=-0.219 nahi=-0.094 name=0.226 nat=0.072 naughty=-0.237 naya=0.099
ne=-0.075 near=0.164 need=-0.053 net=0.270 netcollex=0.482 network=0.219 neva=-0.069 never=-0.314 new=0.771
newest=0.318 news=0.775 next=0.638 ni8=-0.056 nice=-0.483 nigeria=-0.156 nite=-0.061 no=-0.319 no1=0.052
nokia=0.087 nos=0.287 not=-0.083 nothing=0.757 nov=-1.331 now=0.315 ntwk=0.329 numbers=0.278 o=0.099 o2=0.077
of=0.118 off=-0.334 offer=0.156 office=-0.266 officer=0.256 oh=-0.142 ok=0.051 old=0.402 once=-0.346 one=0.181
only=-0.274 onto=0.107 open=0.594 opt=-0.148 or=0.152 orange=0.092 order=0.639 ordered=0.418 other=0.092
otp=0.200 our=0.394 out=0.077 outside=0.095 over=-0.139 p=-0.284 pa=-0.386 page=0.063 pages=0.059 paid=-0.124
pain=-0.056 pan=-0.072 papa=0.133 paper=-0.075 paperwork=-0.088 parcel=0.078 parent=0.088 parents=-0.063
parking=-0.091 party=-0.136 pass=0.348 passport=-0.105 password=-0.177 pay=0.345 paying=0.403 payment=-0.052
paytm=0.139 pc=0.091 pe=0.087 people=-0.076 per=0.102 phone=0.664 photo=-0.161 pic=-0.054 pick=-0.076
picking=-0.096 pin=-0.415 pink=0.147 plan=-0.219 planned=-0.282 play=0.337 player=0.071 please=-0.413 pls=-0.383
plz=-0.170 pm=-0.131 po=0.310 pobox=0.167 points=-0.081 police=0.696 poly=0.053 poor=-0.065 portal=-0.600
posted=0.131 pound=0.180 power=-0.296 pre=0.169 premier=0.667 princess=-0.136 privacy=-0.051 private=0.837
prize=0.373 probably=-0.080 problem=-0.096 process=-0.195 processed=0.353 processing=0.150 project=-0.108
promise=-0.089 proof=-0.126 property=-0.113 put=0.299 putting=-0.073 quick=0.104 quite=-0.104 r=0.098
raat=-0.103 rakhesh=-0.124 rate=0.069 rbi=-0.271 re=-0.075 reach=-0.212 reached=-0.241 ready=-0.406 real=0.180
realize=0.650 really=-0.296 reason=-0.150 receive=0.182 received=-0.264 recently=0.083 recharge=-0.162
recovery=0.158 red=0.412 redeem=0.069 ref=-0.348 registered=-0.266 registration=0.272 regret=-0.290
regular=0.285 release=0.404 released=0.330 remain=-0.057 remember=-0.054 reminder=0.164 reminds=-0.054
repair=-0.077 reply=0.926 report=-0.109 request=-0.341 respond=0.277 resume=-0.068 returns=0.506 reward=0.108
rewards=0.069 right=-0.375 ring=0.345 ringtone=0.603 ringtoneking=1.715 romantic=-0.100 rply=0.053 rs=-0.632
ruin=-0.066 rules=-0.114 run=-0.129 running=0.644 s=-0.379 sacrifice=-0.100 sad=-0.064 safe=-0.180 said=-0.407
salary=-0.257 saman=-0.157 same=-0.095 sanctioned=0.208 sat=-0.087 save=-0.245 saw=-0.058 say=-0.187 says=-0.164
schedule=0.087 scheme=0.227 school=-0.086 scores=0.347 secretary=-0.085 secs=0.461 sed=0.225 see=-0.526
seeing=-0.129 selected=0.162 selection=0.255 sell=-0.111 sem=-0.059 send=0.336 sender=-0.081 sending=0.055
sent=-0.507 sept=0.533 service=1.125 services=-0.362 set=-0.077 settings=0.067 settle=0.215 sex=0.595 sexy=0.140
shall=-0.055 share=-0.381 she=-0.180 shipped=-0.074 shit=0.090 shop=-0.205 shopping=-0.094 shortly=0.157
shot=0.366 should=-0.302 showing=0.116 shows=-0.086 shy=-0.079 sick=-0.059 sim=0.091 simple=0.322 simply=0.136
since=0.219 singapore=0.510 single=-0.057 sir=-0.344 sleep=-0.073 sleeping=-0.172 slip=-0.292 slowly=-0.068
smart=0.279 smile=-0.218 smiling=-0.097 sms=1.337 snow=-0.085 snowman=-0.067 so=-0.580 society=-0.132 sofa=0.108
some=-0.121 someone=-0.112 something=-0.290 sometimes=-0.137 song=-0.063 songs=-0.055 soon=-0.301 sorry=0.128
sounds=-0.074 space=0.065 speak=-0.080 speaking=-0.089 special=0.329 spend=-0.051 spk=-0.072 spoke=-0.174
sry=-0.064 stage=-0.241 standing=-0.070 start=0.262 started=-0.073 statement=0.841 station=0.769 std=0.411
step=-0.051 still=-0.282 stop=0.078 stopped=0.126 stops=-0.217 street=-0.052 stuck=-0.061 student=0.168
stuff=-0.218 submit=0.193 subscription=0.292 successful=-0.381 successfully=-0.132 sunday=-0.139 super=0.214
supervisor=-0.052 support=0.301 sura=-0.074 sure=-0.280 sweet=-0.055 system=0.116 t=-0.164 ta=0.450 take=-0.365
takes=-0.064 talk=0.333 talking=0.449 tax=-0.098 technical=-0.108 telegram=0.274 tell=-0.205 ten=-0.051
tension=-0.057 term=-0.139 terms=0.066 test=-0.123 text=1.144 texting=0.213 texts=0.140 tha=-0.283 than=-0.100
thank=-0.417 that=-0.410 thats=-0.182 the=-0.416 themob=0.544 then=-0.290 there=-0.204 these=0.305 they=-0.176
thing=-0.113 things=-0.101 think=-0.295 thinking=-0.102 this=0.432 thk=-0.096 tho=-0.062 those=-0.051
though=0.237 thought=-0.200 threats=-0.183 through=-0.126 thru=-0.153 thursday=-0.079 ticket=-0.120 til=-0.067
till=-0.140 time=-0.099 times=-0.194 tmr=-0.052 to=0.130 today=-0.326 together=-0.058 told=-0.162 toll=-0.094
tomorrow=-0.445 tone=0.132 tones=0.563 tonight=-0.228 too=-0.120 took=-0.101 toot=0.128 top=0.320 tot=-0.093
touch=-0.056 tour=-0.060 towards=-0.276 town=-0.052 track=-0.301 train=-0.558 training=0.151 transfer=0.100
tried=-0.065 trip=-0.147 truly=0.419 trust=0.157 trying=-0.061 ttyl=-0.081 turant=0.061 tv=0.145 two=-0.188
txt=0.083 txts=0.094 type=-0.074 u=-0.884 u4=0.307 uk=0.999 unable=0.067 uncle=0.480 under=0.206
unsubscribe=0.205 until=0.343 up=-0.583 upto=-0.094 ur=-0.145 urawinner=0.107 urgnt=-0.100 us=0.071 use=-0.465
used=0.170 user=0.636 usual=-0.309 v=0.122 valentine=-0.071 valid=-0.086 ve=0.199 verification=0.076
verify=0.074 very=-0.274 via=-0.218 vid=0.284 video=0.979 videos=1.276 visit=-0.195 vodafone=0.298 voice=-0.182
voucher=0.220 wait=0.070 waiting=-0.153 wala=0.134 walk=0.195 wallet=0.165 wallpaper=0.156 wan=-0.076
wanna=0.128 wap=0.068 was=-0.855 wat=-0.181 watch=-0.060 way=-0.498 we=0.221 web=0.110 website=-0.078
wedding=0.396 week=-0.299 weeks=0.157 welcome=0.469 well=-0.201 went=-0.188 were=-0.332 what=-0.592
whatever=-0.052 whatsapp=0.092 when=-0.342 whenever=-0.052 where=-0.193 which=-0.087 while=0.184 who=-0.418
why=0.134 wife=-0.084 will=-0.362 win=0.847 wine=-0.050 winner=0.228 wish=-0.165 with=1.190 without=0.105
won=0.301 wonder=-0.094 wonderful=-0.143 wont=-0.085 word=0.854 words=-0.063 work=-0.140 working=-0.074
world=-0.192 worried=-0.063 worth=0.284 wot=-0.098 would=-0.215 wrong=0.485 www=0.331 x=0.198 xmas=0.305
xx=0.208 xxx=0.081 xyz=0.087 y=-0.206 ya=0.150 yeah=-0.247 year=-0.162 years=0.549 yes=-0.058 yesterday=-0.076
yo=0.154 you=0.300 your=1.504 yourself=-0.367 yr=0.085 yup=-0.050 आज=0.148 आपका=-0.611 आपकी=0.407 आपके=-0.083
इस=-0.059 और=0.367 करें=0.056 का=-0.171 की=-0.362 के=0.232 को=-0.215 कोड=0.376 खाते=-0.058 गया=0.142
ग्राहक=0.403 जाएगी=0.407 तुरंत=0.384 दिन=-0.386 देखें=-0.202 नहीं=-0.158 पर=-0.271 पाएं=0.216 पुलिस=-0.116
पैसे=0.263 फोन=0.067 बंद=0.403 बताएं=-0.164 बिजली=-0.142 बिल=-0.142 बैंक=-0.122 भेजें=0.409 महीने=-0.290
में=0.579 या=-0.269 रहा=-0.446 रुपये=-0.649 लाख=0.150 लिए=0.232 लोन=0.150 शुल्क=0.152 हुआ=0.115 है=-0.254
हो=0.416
"""
