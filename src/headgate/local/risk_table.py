"""The weights of the risk skill, in log odds. Written by `python -m bench.risk_training`: do not edit.

Trained on 2,558 messages of the SMS Spam Collection by T. A. Almeida and J. M. Gomez Hidalgo (UCI Machine Learning
Repository, licensed CC BY 4.0, https://creativecommons.org/licenses/by/4.0/; changed: only words and their weights are
kept), and on the 148 messages of bench/data/risk_messages.jsonl that are not kept aside, each counted 8
times.
"""

from typing import Final

BIAS: Final = -6.389

NAMED: Final = """
authority=0.855 authority+fee=0.472 authority+threat=0.601 booked=-0.165 booked+masked=-1.075 booked+url=-0.172
capitals=0.675 cheap_domain=2.265 claim=0.733 click=0.634 click+threat=0.600 click+url=0.260 collect=1.784
collect+money=1.184 contact=1.439 dating=1.017 digits=1.385 electricity=-0.256 electricity+mobile=0.787
electricity+threat=0.643 exclaims=-0.059 fee=1.212 guarded=-1.100 guarded+one_time_code=-0.609 hidden=0.600
identity=0.179 identity+threat=0.678 identity+url=0.561 identity+verify=0.430 institution=-0.323
institution+mobile=0.689 institution+secret=0.597 institution+threat=1.368 institution+url=-0.148
investment=1.560 investment+contact=0.624 investment+messenger=0.710 investment+money=0.688 investment+url=0.809
job=0.056 job+contact=0.918 job+fee=0.600 job+messenger=0.602 job+money=0.214 job+url=0.602 large_money=1.238
length=2.005 loan=0.677 loan+fee=0.781 loan+money=0.725 loan+url=0.601 lookalike=2.010 masked=-0.713
messenger=0.810 mixed_script=1.201 mobile=2.589 money=1.687 money+premium_number=0.663 official=-2.493
one_time_code=-0.509 parcel=-0.166 parcel+authority=0.656 parcel+fee=0.672 parcel+mobile=0.605 parcel+url=0.054
premium=2.194 premium+contact=0.767 premium+short_code=0.856 premium_number=1.622 prize=1.332 prize+claim=0.622
prize+contact=0.579 prize+fee=0.684 prize+money=0.757 prize+url=0.844 program=4.037 raw_address=1.500
refund=1.439 refund+collect=1.042 refund+mobile=0.301 refund+url=0.606 relative=0.591 relative+fee=0.778
relative+money=1.347 relative+upi_id=0.787 relative+urgency=1.078 remote=1.754 remote+click=0.600
remote+institution=0.695 remote+url=0.601 secret=2.163 secret+guarded=-1.201 secret+threat=1.246
secret+url=0.633 sender_tag=-2.261 serviced=-1.526 short_code=1.212 shortened=1.031 shouting=0.377 spaced=0.500
threat=1.733 threat+contact=0.635 threat+identity=0.678 threat+mobile=0.655 threat+url=0.721 tollfree=-0.861
upi_id=0.273 urgency=1.462 urgency+contact=0.581 urgency+fee=0.629 urgency+url=0.432 url=1.574 verify=0.566
verify+url=0.809
"""

WORDS: Final = """
#1=0.561 #10=0.208 #11=1.758 #12=0.126 #2=0.778 #3=0.607 #4=0.850 #5=2.845 #6=0.159 #7=0.258 10am=0.065
10p=0.103 150p=0.530 1st=0.269 20p=0.466 2day=0.297 50p=0.110 60p=0.074 7pm=0.066 aa=-0.290 aadhaar=0.115
aapka=0.321 abiola=-0.110 about=0.095 abt=-0.099 ac=0.234 accept=0.059 account=1.089 action=-0.110
activate=0.084 actually=-0.205 address=0.130 adoring=-0.134 adult=0.386 afternoon=-0.145 against=-0.057
age=0.416 age16=0.086 agency=0.249 ah=-0.198 aight=-0.067 airport=-0.051 aiyo=-0.088 alert=0.281 all=-0.334
alone=0.081 already=-0.113 alright=-0.073 also=0.523 always=-0.273 am=-0.076 amazing=0.298 amazon=0.222
amp=-0.455 an=0.392 and=0.516 angry=-0.054 announcement=0.787 another=-0.131 answer=0.240 answers=-0.064
any=-0.350 anybody=-0.173 anyone=-0.243 anything=-0.172 apk=0.493 app=-0.313 appeal=0.067 application=-0.290
apply=0.214 appointment=-0.050 appreciate=-0.096 approved=0.069 ard=-0.094 are=-0.541 area=-0.345 around=0.433
arrested=-0.105 arrive=-0.070 as=-0.408 asap=0.389 ask=-0.132 asked=0.172 asks=-0.248 ass=-0.113 at=-0.603
auction=0.075 aur=0.428 available=-0.354 avoid=0.147 away=-0.091 axis=-0.058 b=0.294 babe=1.031 babes=-0.051
baby=-0.115 back=0.448 bags=-0.070 bak=-0.095 balance=-0.668 band=0.574 bank=-0.897 baroda=-0.172 battery=-0.064
be=-0.120 because=-0.134 bed=-0.113 bedroom=0.119 been=0.262 beer=-0.083 before=0.218 beg=0.315 begin=0.342
being=0.226 best=-0.103 beware=0.146 bhej=-0.293 bhejo=0.234 big=-0.323 biggest=0.088 bijli=-0.222 bill=0.291
billed=0.441 billion=-0.155 birds=0.417 bit=-0.058 blue=0.150 bola=-0.075 bonus=0.244 book=0.081 booked=-0.278
boss=0.265 both=-0.086 bought=0.176 bout=0.200 box=0.312 boy=-0.262 boytoy=-0.088 branch=-0.115 brand=0.063
break=-0.125 brilliant=-0.083 bring=-0.136 brother=-0.199 build=-0.076 buns=-0.060 burger=0.211 bus=-0.107
but=-0.275 buy=0.326 buzz=-0.126 by=0.056 bye=-0.091 cafe=-0.053 call=-0.284 callers=-0.246 callertune=-0.101
came=0.371 campus=-0.139 can=-0.116 cancelled=0.240 cancer=-0.058 cant=-0.086 car=-0.066 card=0.230 cards=0.309
care=-0.158 carry=-0.133 case=0.064 cash=0.176 caught=0.150 cbe=-0.084 cell=-0.062 center=0.368 chahiye=-0.103
chance=0.412 change=-0.063 charge=0.273 charged=0.145 chasing=0.295 chat=0.264 check=0.981 chennai=-0.100
cheque=0.184 chikku=-0.073 childish=-0.075 children=-0.070 choose=1.056 christmas=0.137 cibil=0.111 claim=0.115
class=-0.189 click=0.269 clock=-0.082 close=-0.052 closer=-0.127 club=0.133 co=0.649 collect=0.288 college=0.145
com=0.109 come=-0.460 comes=0.215 coming=-0.119 company=-0.121 complaint=-0.069 confirm=0.452 confirmed=-0.406
congrats=-0.053 consignment=-0.062 contact=-0.131 content=1.316 continue=-0.151 cook=-0.075 cool=-0.165
copy=-0.196 correct=0.252 cos=-0.167 cost=0.065 costs=0.412 couple=-0.059 course=-0.081 coz=-0.072 crave=-0.113
crazy=0.088 credited=0.086 cup=-0.053 cust=0.221 customer=0.851 cvv=0.242 d=-0.610 da=-0.207 darlin=-0.079
dat=-0.083 date=-0.104 dating=0.053 day=-0.228 de=-0.074 dead=-0.054 deal=-0.097 dear=0.335 debited=-0.254
decided=-0.051 decimal=-0.163 declare=-0.071 definitely=0.270 delhi=0.172 deliver=-0.177 delivery=-0.234
den=-0.096 department=-0.140 deposit=0.080 dept=0.135 desk=0.249 details=0.556 detroit=0.222 dey=-0.072
didn=-0.086 didnt=-0.157 died=0.333 difficult=-0.061 digit=0.052 digital=0.267 din=-0.140 dinner=-0.275
direct=-0.081 dis=-0.059 diwali=0.083 diya=-0.481 do=-0.644 doctor=-0.106 documents=0.053 does=-0.050
doesn=-0.051 doing=-0.191 domain=0.173 don=-0.283 done=-0.490 door=-0.177 down=0.235 download=-0.091
downloaded=0.152 downloads=0.259 draw=0.118 drink=-0.076 drive=-0.050 driver=-0.291 dude=-0.088 due=-0.144
dun=-0.052 dunga=0.107 dunno=-0.105 each=0.272 earlier=-0.089 early=-0.069 earn=0.249 easy=-0.060 eerie=0.055
eg=0.071 else=-0.061 em=-0.062 email=-0.584 end=0.188 ending=-0.276 ends=-0.083 english=-0.088 enjoy=1.148
enjoying=-0.147 enough=0.147 enter=0.244 entered=0.053 epfo=-0.468 error=0.160 etc=0.190 even=-0.104
evening=0.213 every=-0.071 everyone=-0.158 everything=-0.146 ex=-0.166 excellent=-0.118 experience=0.075
expired=0.181 expires=-0.125 expiry=0.146 explicit=0.462 face=-0.065 failed=0.163 family=-0.131 fantasies=0.073
fantastic=0.127 farm=-0.099 fast=-0.052 fastag=0.074 fav=0.265 february=-0.069 feel=0.353 feeling=0.055
few=-0.140 fights=-0.074 film=0.345 finally=-0.092 find=-0.177 fine=-0.255 finish=-0.147 finished=-0.089
first=0.134 flipkart=-0.140 following=0.082 fone=0.240 food=-0.181 for=0.377 forever=-0.066 forget=0.378
forgot=-0.059 form=-0.337 found=0.170 fraud=-0.065 free=0.867 freemsg=0.424 freephone=0.096 friend=-0.139
friends=-0.441 friendship=-0.085 from=0.732 fuck=-0.139 ful=-0.076 fullonsms=-0.109 fun=0.387 funny=-0.105
further=0.177 future=0.290 g=0.335 game=0.222 games=0.528 gas=-0.072 gate=-0.231 gaya=0.075 gd=-0.104 gee=-0.069
geeee=-0.051 get=0.275 getting=0.155 getzed=0.055 gift=0.368 girls=0.061 giv=0.192 give=0.058 glad=0.259
go=0.200 god=0.154 goes=-0.052 goin=-0.057 going=-0.334 gold=0.498 gone=-0.090 gonna=-0.143 good=-0.190
got=-0.231 goto=0.151 gotten=-0.142 gov=-0.503 gr8=-0.123 great=0.250 green=0.335 grins=-0.199 ground=0.177
group=0.070 gt=-0.690 gud=-0.217 guess=-0.088 guy=-0.074 gym=-0.108 had=-0.305 haha=-0.059 hai=0.086 hain=-0.068
hair=-0.113 half=-0.189 happening=-0.148 happiness=-0.125 happy=-0.232 hard=-0.057 has=-0.324 hav=-0.163
have=1.092 haven=-0.084 havent=-0.096 having=-0.110 hdfc=-0.392 he=-0.395 head=-0.098 hear=-0.056 heard=0.191
heart=-0.080 hearts=-0.130 heavy=-0.062 helen=0.348 hello=0.358 help=0.656 her=-0.156 here=0.194 hey=-0.523
hi=0.101 high=0.516 him=-0.470 his=-0.372 hit=0.174 hmm=-0.067 ho=0.124 hockey=0.221 hold=0.182 holder=0.092
home=-0.363 honey=-0.153 hoon=-0.075 hope=-0.352 horny=0.055 hospital=0.134 hostel=-0.184 hot=0.243 hour=-0.089
hours=-0.211 house=-0.324 how=-0.620 hr=-0.193 hrs=0.173 http=0.807 https=-0.528 hua=-0.179 huh=-0.107
hurry=-0.239 hurt=-0.126 i=-1.060 ice=0.220 icici=-0.384 id=-0.256 if=-0.515 ill=-0.113 im=-0.267
important=0.692 in=-0.137 income=-0.109 india=0.233 info=0.203 information=0.245 install=0.252 instant=0.061
interested=0.247 interview=-0.218 invest=0.456 invitation=0.424 invited=0.426 is=-0.995 issue=-0.264 it=-0.495
items=-0.094 its=-0.544 itself=-0.069 iμa=1.098 iμi=0.530 jaldi=0.325 january=-0.112 jayega=0.183 jio=-0.141
job=-0.218 join=0.104 journey=-0.483 jus=-0.067 juz=-0.052 k=-0.170 ka=-0.439 kal=-0.152 karo=0.147 kate=-0.094
ke=0.380 keep=-0.176 ki=-0.121 king=0.230 kisi=-0.105 kiss=-0.186 know=-0.594 ko=-0.405 lab=-0.086 ladies=0.690
lakh=0.793 lar=-0.078 last=0.201 late=-0.086 later=-0.675 latest=0.816 leave=-0.101 left=0.177 let=0.094
lets=-0.074 letter=-0.157 liao=-0.060 library=-0.193 lic=0.183 life=0.166 lift=-0.072 light=-0.108 like=-0.509
liking=0.249 limit=0.171 limits=-0.225 link=0.451 listen=-0.065 little=-0.177 live=0.236 liverpool=0.393
liye=0.388 local=-0.089 lol=-0.320 long=-0.077 look=-0.142 looking=0.095 lor=-0.194 loss=0.171 lost=0.710
lot=-0.172 lovable=-0.101 love=-0.251 loved=-0.156 lovely=-0.102 loverboy=-0.055 loving=-0.070 lt=-0.694
ltd=0.524 lucky=-0.127 lunch=-0.091 luv=0.215 m=0.224 made=0.355 maid=-0.072 mail=-0.203 maintain=-0.076
make=0.575 making=-0.086 man=-0.264 manage=-0.297 manager=0.435 many=-0.219 march=-0.102 marriage=0.348
mat=-0.107 maturity=-0.262 may=-0.250 maybe=-0.087 me=-0.497 meal=-0.084 means=-0.071 meet=-0.125 mein=0.428
member=-0.501 merry=-0.054 message=1.121 met=0.480 mid=-0.052 midnight=0.182 might=-0.198 min=0.478 mine=-0.058
mins=0.490 minutes=-0.125 miss=-0.243 missed=0.164 missing=-0.148 mob=0.187 mobile=1.154 mobiles=-0.139
mom=-0.197 moments=-0.074 monday=-0.339 money=-0.177 more=0.315 morning=-0.327 morphine=-0.077 most=0.112
move=-0.095 movie=0.284 mr=-0.062 mrng=-0.063 msg=0.429 msgs=0.333 murder=-0.075 murdered=-0.072 murderer=-0.072
music=0.050 my=-0.548 n=-0.204 na=-0.056 nahi=-0.118 name=0.222 nat=0.078 naughty=-0.228 naya=0.101 ne=-0.080
near=0.145 net=0.293 netcollex=0.492 network=0.236 neva=-0.064 never=-0.347 new=0.791 newest=0.336 news=0.799
next=0.649 ni8=-0.056 nice=-0.520 nigeria=-0.173 nite=-0.065 no=-0.267 no1=0.060 nokia=0.088 nos=0.290
not=-0.064 nothing=0.791 nov=-1.350 now=0.297 ntwk=0.300 number=-0.109 numbers=0.279 o=0.092 o2=0.141 of=0.092
off=-0.337 offer=0.183 office=-0.281 officer=0.257 oh=-0.178 ok=0.097 old=0.430 once=-0.386 one=0.167
only=-0.271 onto=0.123 open=0.627 opt=-0.140 or=0.117 orange=0.106 order=0.658 ordered=0.435 other=0.094
otp=0.239 our=0.403 out=0.104 outside=0.086 over=-0.163 p=-0.270 pa=-0.427 page=0.067 pages=0.062 paid=-0.134
pain=-0.056 paisa=0.070 pan=-0.137 papa=0.135 paper=-0.082 paperwork=-0.082 parcel=0.086 parent=0.117
parents=-0.081 parking=-0.081 party=-0.134 pass=0.378 passport=-0.104 password=-0.217 pay=0.296 paying=0.386
payment=-0.070 paytm=0.143 pc=0.088 pe=0.090 people=-0.071 per=0.088 phone=0.688 photo=-0.143 pic=-0.069
pick=-0.081 picking=-0.092 pin=-0.420 pink=0.154 plan=-0.213 planned=-0.281 play=0.329 player=0.073
please=-0.391 pls=-0.386 plz=-0.165 pm=-0.135 po=0.311 pobox=0.183 points=-0.062 police=0.749 poly=0.056
poor=-0.064 portal=-0.624 posted=0.121 pound=0.156 pounds=0.054 power=-0.296 pre=0.189 premier=0.676
princess=-0.146 private=0.902 prize=0.276 prob=-0.052 probably=-0.082 problem=-0.097 process=-0.186
processed=0.370 processing=0.111 project=-0.100 promise=-0.080 proof=-0.119 property=-0.118 purchase=0.077
put=0.301 putting=-0.072 quick=0.115 quite=-0.105 r=0.131 raat=-0.107 rakhesh=-0.136 rate=0.099 rbi=-0.251
re=-0.076 reach=-0.218 reached=-0.242 ready=-0.437 real=0.171 realize=0.681 really=-0.301 reason=-0.150
receipt=0.054 receive=0.183 received=-0.288 recently=0.091 recharge=-0.166 recovery=0.168 red=0.422 redeem=0.065
ref=-0.310 registered=-0.261 registration=0.244 regret=-0.289 regular=0.289 release=0.279 released=0.341
remain=-0.054 remember=-0.053 reminder=0.154 reminds=-0.066 repair=-0.070 reply=0.962 replying=0.056
report=-0.124 request=-0.362 respond=0.280 resume=-0.073 returns=0.511 reward=0.095 rewards=0.065 right=-0.394
ring=0.349 ringtone=0.611 ringtoneking=1.701 romantic=-0.090 rply=0.067 rs=-0.761 ruin=-0.065 rules=-0.106
run=-0.119 running=0.678 s=-0.403 sacrifice=-0.094 sad=-0.059 safe=-0.205 said=-0.412 salary=-0.264 saman=-0.173
same=-0.098 sanctioned=0.205 sat=-0.086 save=-0.250 saw=-0.056 say=-0.184 says=-0.177 schedule=0.096
scheme=0.233 school=-0.081 scores=0.367 secretary=-0.077 secs=0.462 sed=0.219 see=-0.489 seeing=-0.138
selected=0.192 selection=0.266 sell=-0.116 sem=-0.061 send=0.335 sender=-0.090 sent=-0.479 sept=0.523
service=1.164 services=-0.343 set=-0.096 settings=0.123 settle=0.241 sex=0.612 sexy=0.123 shall=-0.058
share=-0.407 she=-0.186 shipped=-0.083 shit=0.082 shop=-0.198 shopping=-0.095 shortly=0.205 shot=0.386
should=-0.301 showing=0.129 shows=-0.067 shy=-0.074 sick=-0.060 sim=0.098 simple=0.349 simply=0.108 since=0.207
singapore=0.515 single=-0.061 sir=-0.358 sleep=-0.071 sleeping=-0.176 slip=-0.322 slowly=-0.064 smart=0.286
smile=-0.210 smiling=-0.097 sms=1.387 snow=-0.093 snowman=-0.073 so=-0.558 society=-0.129 sofa=0.102 some=-0.136
someone=-0.109 something=-0.290 sometimes=-0.155 song=-0.068 songs=-0.054 soon=-0.315 sorry=0.132 sounds=-0.078
space=0.119 speak=-0.076 speaking=-0.085 special=0.345 spk=-0.068 spoke=-0.174 sry=-0.081 stage=-0.224
standing=-0.078 start=0.281 started=-0.072 statement=0.905 station=0.821 std=0.443 still=-0.295 stop=0.094
stopped=0.134 stops=-0.234 street=-0.054 stuck=-0.064 student=0.162 stuff=-0.227 submit=0.189 subscriber=0.057
subscription=0.305 successful=-0.356 successfully=-0.131 sunday=-0.139 super=0.224 supervisor=-0.052
support=0.299 sura=-0.057 sure=-0.284 sweet=-0.061 system=0.131 t=-0.167 ta=0.460 take=-0.375 takes=-0.061
talk=0.323 talking=0.451 tax=-0.103 technical=-0.115 telegram=0.270 tell=-0.189 tension=-0.057 term=-0.111
terms=0.128 test=-0.119 text=1.157 texting=0.196 texts=0.132 tha=-0.309 than=-0.107 thank=-0.423 that=-0.348
thats=-0.191 the=-0.404 themob=0.567 then=-0.317 there=-0.204 these=0.303 they=-0.184 thing=-0.116 things=-0.101
think=-0.300 thinking=-0.082 this=0.389 thk=-0.093 tho=-0.062 those=-0.056 though=0.242 thought=-0.196
threats=-0.210 through=-0.132 thru=-0.180 thursday=-0.087 ticket=-0.167 til=-0.071 till=-0.134 time=-0.115
times=-0.204 title=0.052 titles=0.052 tmr=-0.058 to=0.087 today=-0.334 together=-0.060 told=-0.174 toll=-0.093
tomorrow=-0.432 tone=0.129 tones=0.539 tonight=-0.245 too=-0.115 took=-0.104 toot=0.131 top=0.345 tot=-0.087
touch=-0.056 tour=-0.067 towards=-0.288 track=-0.341 train=-0.561 training=0.173 transfer=0.133 trip=-0.148
truly=0.436 trust=0.164 trying=-0.072 ttyl=-0.075 turant=0.085 tv=0.131 two=-0.191 txt=0.057 txts=0.108
type=-0.068 u=-0.892 u4=0.317 uk=1.052 unable=0.076 uncle=0.481 under=0.202 unsubscribe=0.223 until=0.361
up=-0.567 upi=-0.089 upto=-0.087 ur=-0.132 urawinner=0.123 urgnt=-0.094 us=0.057 use=-0.462 used=0.169
user=0.666 usual=-0.304 v=0.141 valentine=-0.073 valid=-0.093 ve=0.184 verification=0.085 verify=0.084
very=-0.280 via=-0.226 vid=0.294 video=1.020 videos=1.314 visit=-0.186 vodafone=0.298 voice=-0.169 voucher=0.222
wait=0.072 waiting=-0.166 wala=0.134 walk=0.197 wallet=0.173 wallpaper=0.160 wan=-0.072 wanna=0.133 wap=0.127
was=-0.849 wat=-0.189 watch=-0.056 way=-0.529 we=0.179 web=0.086 website=-0.084 wedding=0.416 week=-0.331
weeks=0.158 welcome=0.467 well=-0.208 went=-0.190 were=-0.328 wet=-0.057 what=-0.624 whatever=-0.051
whats=-0.051 whatsapp=0.080 when=-0.352 whenever=-0.053 where=-0.204 which=-0.095 while=0.209 who=-0.426
why=0.155 wife=-0.084 will=-0.333 win=0.856 winner=0.238 wish=-0.175 with=1.186 won=0.275 wonder=-0.102
wonderful=-0.146 wont=-0.080 word=0.894 words=-0.066 work=-0.138 working=-0.085 world=-0.189 worried=-0.066
worth=0.247 wot=-0.095 would=-0.210 wrong=0.486 www=0.308 x=0.209 xmas=0.288 xx=0.234 xxx=0.102 xyz=0.092
y=-0.218 ya=0.143 yeah=-0.253 year=-0.166 years=0.581 yes=-0.084 yesterday=-0.082 yo=0.146 you=0.320 your=1.479
yourself=-0.397 yr=0.103 yup=-0.056 आज=0.151 आपका=-0.694 आपकी=0.411 आपके=-0.069 इस=-0.058 और=0.286 का=-0.194
की=-0.367 के=0.247 को=-0.231 कोड=0.399 गया=0.077 ग्राहक=0.407 जमा=-0.109 जाएगी=0.411 तुरंत=0.410 दिन=-0.383
देखें=-0.195 नहीं=-0.166 पर=-0.241 पाएं=0.132 पुलिस=-0.119 पैसे=0.186 फोन=0.082 बंद=0.407 बताएं=-0.146
बिजली=-0.139 बिल=-0.139 बैंक=-0.125 भेजें=0.414 महीने=-0.312 में=0.520 या=-0.271 रहा=-0.454 रुपये=-0.752
लाख=0.055 लिए=0.247 लोन=0.055 शुल्क=0.057 हुआ=0.097 है=-0.307 हो=0.372 होगी=-0.056
"""
