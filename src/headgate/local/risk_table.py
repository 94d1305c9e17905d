"""The weights of the risk skill, in log odds. Written by `python -m bench.risk_training`: do not edit.

Trained on 2,558 messages of the SMS Spam Collection by T. A. Almeida and J. M. Gomez Hidalgo (UCI Machine Learning
Repository, licensed CC BY 4.0, https://creativecommons.org/licenses/by/4.0/; changed: only words and their weights are
kept), and on the 148 messages of bench/data/risk_messages.jsonl that are not kept aside, each counted 8
times.
"""

from typing import Final

BIAS: Final = -6.397

NAMED: Final = """
authority=0.808 authority+fee=0.563 authority+threat=0.528 booked=-0.423 booked+masked=-0.992 booked+url=-0.186
capitals=0.084 cheap_domain=2.461 claim=0.762 click=0.450 click+threat=0.600 click+url=0.272 collect=1.772
collect+money=1.172 contact=1.308 dating=0.865 digits=0.752 electricity=-0.213 electricity+mobile=0.727
electricity+threat=0.630 exclaims=-0.120 fee=1.313 guarded=-1.117 guarded+one_time_code=-0.582 hidden=0.600
identity=0.070 identity+threat=0.679 identity+url=0.491 identity+verify=0.439 institution=-0.540
institution+mobile=0.515 institution+secret=0.571 institution+threat=1.415 institution+url=0.066
investment=1.457 investment+contact=0.617 investment+messenger=0.662 investment+money=0.648 investment+url=0.738
job=0.161 job+contact=0.894 job+fee=0.600 job+messenger=0.602 job+money=0.323 job+url=0.602 large_money=1.101
length=0.464 loan=0.811 loan+fee=0.914 loan+money=0.600 loan+url=0.602 lookalike=2.136 masked=-0.953
messenger=0.762 mixed_script=1.202 mobile=1.986 money=0.831 money+premium_number=0.630 official=-2.230
one_time_code=-0.482 parcel=-0.411 parcel+authority=0.668 parcel+fee=0.659 parcel+mobile=0.609 parcel+url=0.050
premium=2.158 premium+contact=0.703 premium+short_code=0.768 premium_number=1.409 prize=1.312 prize+claim=0.612
prize+contact=0.575 prize+fee=0.845 prize+money=0.574 prize+url=0.801 program=4.100 raw_address=1.500
refund=1.311 refund+collect=1.078 refund+mobile=0.300 refund+url=0.606 relative=0.741 relative+fee=0.813
relative+money=1.364 relative+upi_id=0.669 relative+urgency=1.012 remote=1.778 remote+click=0.600
remote+institution=0.710 remote+url=0.602 secret=2.200 secret+guarded=-1.208 secret+threat=1.301
secret+url=0.635 sender_tag=-2.139 serviced=-1.655 short_code=1.004 shortened=1.012 shouting=0.246 spaced=0.500
threat=1.712 threat+contact=0.631 threat+identity=0.679 threat+mobile=0.640 threat+url=0.745 tollfree=-0.874
upi_id=0.250 urgency=1.339 urgency+contact=0.386 urgency+fee=0.591 urgency+url=0.533 url=1.376 verify=0.602
verify+url=0.818
"""

WORDS: Final = """
#1=0.185 #11=1.054 #12=0.067 #2=0.435 #4=-0.090 #5=1.770 #6=-0.221 #7=0.181 10p=0.064 150p=0.274 1st=0.272
20p=0.304 2day=0.175 50p=0.059 ^chars120=1.035 ^chars140=0.562 ^chars40=0.561 ^chars80=0.142 ^digits10=0.548
^digits15=-0.175 ^digits3=1.677 ^digits6=0.833 ^first:#1=0.304 ^first:#5=0.349 ^first:aiyo=-0.058
^first:am=-0.070 ^first:and=-0.166 ^first:are=-0.076 ^first:big=-0.064 ^first:bijli=-0.170 ^first:can=-0.194
^first:check=0.944 ^first:cool=-0.051 ^first:court=0.081 ^first:dear=-0.125 ^first:do=0.527 ^first:don=-0.065
^first:for=0.287 ^first:free=0.134 ^first:freemsg=0.339 ^first:fuck=-0.109 ^first:g=-0.067 ^first:good=-0.160
^first:have=-0.241 ^first:hdfc=0.072 ^first:hello=0.279 ^first:hey=-0.469 ^first:hi=0.111 ^first:hmm=-0.057
^first:honey=-0.120 ^first:how=-0.081 ^first:i=-0.397 ^first:if=-0.132 ^first:in=0.217 ^first:jio=-0.072
^first:just=-0.281 ^first:k=-0.053 ^first:latest=0.730 ^first:life=0.308 ^first:lol=-0.139 ^first:missed=0.202
^first:mom=-0.081 ^first:my=-0.089 ^first:no=-0.117 ^first:not=0.165 ^first:now=-0.282 ^first:ok=-0.192
^first:once=-0.254 ^first:only=-0.051 ^first:please=-0.351 ^first:pls=-0.051 ^first:private=0.566
^first:reminder=0.185 ^first:rose=-0.056 ^first:send=-0.293 ^first:sir=0.118 ^first:sms=0.248 ^first:so=-0.088
^first:some=-0.057 ^first:sorry=0.062 ^first:thank=-0.171 ^first:thanks=-0.122 ^first:that=-0.055
^first:the=-0.156 ^first:themob=0.354 ^first:this=0.074 ^first:want=0.283 ^first:we=-0.184 ^first:well=-0.055
^first:what=-0.147 ^first:when=-0.063 ^first:why=-0.066 ^first:will=-0.099 ^first:win=0.451 ^first:yeah=-0.068
^first:yes=-0.082 ^first:you=0.593 ^first:your=-0.759 ^first:आपका=-0.618 ^first:आपकी=0.436 ^first:आपके=-0.101
^shouted1=0.807 ^shouted2=0.180 ^shouted3=-0.285 a=-0.091 aa=-0.234 aadhaar=0.156 aapka=0.417 abiola=-0.101
about=0.075 abt=-0.069 ac=0.239 accept=0.066 account=0.755 action=-0.060 activate=0.117 actually=-0.167
address=0.107 adoring=-0.148 adult=0.541 advocate=0.081 afternoon=-0.224 again=0.077 age=0.346 age16=0.052
agency=0.225 ah=-0.120 airport=-0.075 aiyo=-0.058 alert=0.190 all=-0.382 already=-0.081 also=0.482 always=-0.259
am=-0.132 amazing=0.163 amazon=0.262 amount=0.052 amp=-0.472 an=0.418 and=0.547 angry=-0.119 announcement=0.641
another=-0.122 answer=0.162 answers=-0.054 any=-0.363 anybody=-0.150 anyone=-0.246 anything=-0.128 apk=0.535
app=-0.281 appeal=0.179 application=-0.210 apply=0.179 appointment=-0.115 appreciate=-0.066 approved=0.088
ard=-0.059 are=-0.531 area=-0.324 around=0.394 arrest=0.059 arrested=-0.158 arrive=-0.077 as=-0.520 asap=0.384
ask=-0.121 asked=0.150 asks=-0.233 ass=-0.081 at=-0.643 attempt=0.092 aur=0.327 available=-0.211 avoid=0.202
awaiting=0.054 away=-0.067 b=0.216 babe=0.897 baby=-0.064 back=0.539 bak=-0.080 balance=-0.622 band=0.522
bank=-0.985 baroda=-0.057 be=-0.269 because=-0.172 bed=-0.126 been=0.214 beer=-0.061 before=0.119 beg=0.195
begin=0.320 being=0.200 beloved=-0.107 best=-0.136 better=-0.068 beware=0.096 bhej=-0.224 bhejo=0.170 big=-0.235
bijli=-0.170 bill=0.103 billed=0.258 billion=-0.070 birds=0.408 bit=-0.090 blood=-0.075 bola=-0.059 bone=-0.076
bonus=0.216 book=0.099 booked=-0.220 bored=-0.059 boss=0.228 both=-0.117 bought=0.266 bout=0.206 box=0.181
boy=-0.150 boytoy=-0.103 branch=-0.140 break=-0.137 brilliant=-0.150 bring=-0.129 brother=-0.117 burger=0.224
bus=-0.090 but=-0.355 buy=0.233 buzz=-0.142 by=-0.201 bye=-0.095 cafe=-0.062 call=-0.394 called=-0.119
callers=-0.248 callertune=-0.051 came=0.284 campus=-0.162 can=-0.226 cancelled=0.213 cancer=-0.100 cant=-0.075
car=-0.063 card=0.171 cards=0.284 care=-0.215 carry=-0.159 cash=0.196 caught=0.094 cbe=-0.055 center=0.332
chahiye=-0.107 chance=0.345 change=-0.057 charge=0.156 charged=0.063 chasing=0.273 chat=0.211 check=0.856
chennai=-0.117 cheque=0.153 chikku=-0.059 childish=-0.126 children=-0.135 choose=0.965 cibil=0.094 claim=0.143
class=-0.119 classes=-0.065 click=0.231 clock=-0.069 closed=-0.057 closer=-0.134 club=0.176 co=0.635
collect=0.316 collection=0.062 college=0.148 com=-0.050 come=-0.335 comes=0.176 coming=-0.126 company=-0.095
complaint=-0.071 confirm=0.305 confirmed=-0.546 congrats=-0.052 consignment=-0.191 content=1.495 continue=-0.078
cook=-0.141 cool=-0.141 copy=-0.135 correct=0.231 cos=-0.116 costs=0.235 couple=-0.070 course=-0.072 court=0.081
coz=-0.055 crave=-0.136 crazy=0.077 credit=-0.201 credited=0.092 cs=0.090 cup=-0.051 cust=0.189 customer=0.696
cut=-0.116 cvv=0.093 d=-0.638 da=-0.212 darlin=-0.055 dat=-0.068 date=-0.087 day=-0.259 dead=-0.055 deal=-0.102
dear=0.445 debited=-0.171 decimal=-0.254 definitely=0.264 deleted=0.163 delhi=0.108 deliver=-0.108
delivered=-0.155 delivery=-0.310 den=-0.095 deposit=0.081 dept=0.086 desk=0.227 details=0.600 detroit=0.234
dey=-0.088 did=-0.077 didn=-0.071 didnt=-0.153 died=0.248 difficult=-0.109 digit=0.128 digital=0.240 din=-0.090
dinner=-0.188 direct=-0.065 diwali=0.085 diya=-0.354 do=-0.432 doctor=-0.129 documents=0.073 doing=-0.154
domain=0.226 don=-0.275 done=-0.369 door=-0.153 double=-0.054 down=0.237 downloaded=0.184 downloads=0.209
dps=-0.055 draw=0.089 drink=-0.061 driver=-0.288 dude=-0.056 due=-0.125 dunno=-0.105 e=0.097 each=0.232
earlier=-0.065 early=-0.137 earn=0.227 eat=-0.050 eerie=0.062 email=-0.403 end=0.182 ending=-0.200 ends=-0.081
english=-0.111 enjoy=0.966 enjoying=-0.077 enter=0.284 epfo=-0.416 error=0.160 etc=0.274 even=-0.093
evening=0.183 everyone=-0.232 everything=-0.126 ex=-0.169 excellent=-0.135 expired=0.105 expires=-0.071
expiry=0.091 explicit=0.303 face=-0.177 facebook=0.152 failed=0.160 family=-0.107 fantastic=0.085 farm=-0.105
fastag=0.055 fat=-0.078 fav=0.315 february=-0.057 feel=0.281 few=-0.122 film=0.243 finally=-0.078 find=-0.197
fine=-0.146 finish=-0.092 finished=-0.050 flipkart=-0.060 following=0.054 fone=0.183 food=-0.092 forever=-0.073
forget=0.308 form=-0.284 found=0.159 fraud=-0.076 free=1.040 freemsg=0.339 friend=-0.137 friends=-0.488
from=0.491 fuck=-0.173 ful=-0.126 full=-0.058 fullonsms=-0.087 fun=0.287 funny=-0.150 further=0.230 future=0.148
g=0.300 game=0.119 games=0.534 gate=-0.179 gaya=0.064 gd=-0.054 gee=-0.057 geeee=-0.068 get=0.277 getting=0.262
gift=0.329 girls=0.118 giv=0.146 glad=0.321 go=0.216 god=0.171 goes=-0.055 going=-0.261 gold=0.462 gone=-0.069
gonna=-0.073 good=-0.125 got=-0.291 goto=0.183 gotta=-0.050 gotten=-0.057 gov=-0.387 gr8=-0.086 great=0.342
green=0.240 grins=-0.215 ground=0.110 group=0.080 gt=-0.869 gud=-0.267 guess=-0.053 guy=-0.065 gym=-0.122
h=-0.059 had=-0.228 hain=-0.079 hair=-0.076 half=-0.157 ham=-0.059 happening=-0.062 happiness=-0.076
happy=-0.229 has=-0.258 hav=-0.169 have=1.080 haven=-0.072 havent=-0.083 having=-0.103 hdfc=-0.374 he=-0.409
heard=0.125 heart=-0.117 hearts=-0.136 heavy=-0.093 held=-0.055 helen=0.486 hello=0.265 help=0.216 her=-0.107
here=0.159 hey=-0.486 hi=0.114 high=0.462 him=-0.434 his=-0.319 hit=0.142 hmm=-0.058 ho=0.107 hockey=0.230
hold=0.168 holder=0.110 holiday=-0.098 home=-0.420 honey=-0.123 hope=-0.292 hostel=-0.087 hot=0.193 hour=-0.056
house=-0.371 how=-0.573 hr=-0.106 hrs=0.104 http=0.727 https=-0.465 hua=-0.122 huh=-0.083 hurry=-0.345
hurt=-0.142 i=-0.962 ice=0.231 icici=-0.325 id=-0.323 if=-0.598 ill=-0.082 im=-0.276 immediately=-0.089
important=0.590 in=-0.268 income=-0.059 india=0.231 info=0.134 information=0.207 install=0.205 instant=0.075
interested=0.225 interview=-0.262 invest=0.417 invitation=0.472 invited=0.468 is=-1.054 issue=-0.222
issued=0.059 it=-0.567 its=-0.422 itself=-0.083 itz=-0.056 iμa=0.877 iμi=0.311 jaldi=0.208 january=-0.057
jayega=0.163 jio=-0.072 jo=0.053 job=-0.173 join=0.137 journey=-0.534 just=0.066 k=-0.099 ka=-0.321 kal=-0.213
kar=-0.078 karo=0.136 kate=-0.061 ke=0.279 keep=-0.187 ki=-0.118 king=0.225 kisi=-0.132 kiss=-0.232 know=-0.591
ko=-0.349 kyc=-0.171 l8r=-0.071 ladies=0.660 lakh=0.676 late=-0.066 later=-0.554 latest=0.731 laugh=-0.054
leave=-0.076 left=0.129 letter=-0.168 library=-0.087 lic=0.145 life=0.109 light=-0.150 like=-0.593 liking=0.225
limit=0.118 limits=-0.185 link=0.329 listening=-0.105 little=-0.165 live=0.093 liverpool=0.232 living=-0.090
liye=0.291 ll=0.129 loan=0.059 local=-0.060 login=-0.051 logo=0.060 lol=-0.228 look=-0.138 looking=0.061
lor=-0.188 loss=0.223 lost=0.324 lot=-0.148 lottery=0.056 lovable=-0.263 love=-0.505 loved=-0.184 lovely=-0.118
loving=-0.129 lt=-0.868 ltd=0.282 lucky=-0.113 lunch=-0.058 luv=0.124 m=0.088 made=0.262 maid=-0.139 mail=-0.169
maintain=-0.090 make=0.426 making=-0.090 man=-0.278 manage=-0.354 manager=0.390 many=-0.195 march=-0.072
marriage=0.324 mat=-0.106 maturity=-0.156 may=-0.264 maybe=-0.056 me=-0.446 means=-0.084 meet=-0.150
meeting=0.063 mein=0.293 member=-0.459 message=0.778 met=0.394 midnight=0.060 might=-0.141 mil=0.054 min=0.343
mind=-0.051 mins=0.363 minutes=-0.301 miracle=-0.052 miss=-0.261 missed=0.116 missing=-0.137 mo=-0.057 mob=0.156
mobile=1.230 mobiles=-0.064 mom=-0.099 monday=-0.265 money=-0.144 more=0.546 morning=-0.273 morphine=-0.065
most=0.119 move=-0.069 movie=0.206 mrng=-0.063 msg=0.353 msgs=0.327 much=-0.104 mumbai=0.058 murder=-0.140
murdered=-0.139 murderer=-0.139 must=-0.122 my=-0.658 n=-0.195 nahi=-0.116 name=0.073 naughty=-0.294 ne=-0.066
near=0.182 net=0.131 netcollex=0.271 network=0.166 never=-0.363 new=0.511 newest=0.248 news=0.719 next=0.349
ni8=-0.050 nice=-0.555 nigeria=-0.120 nite=-0.065 no=-0.481 nokia=0.054 nos=0.293 not=-0.191 nothing=0.670
nov=-1.374 now=0.331 ntwk=0.347 number=0.143 numbers=0.203 o=0.101 o2=0.077 of=-0.053 off=-0.226 offer=0.093
office=-0.297 officer=0.157 oh=-0.060 ok=0.215 old=0.390 on=0.063 once=-0.205 one=0.246 only=-0.349 onto=0.083
open=0.625 opt=-0.064 or=0.097 order=0.642 ordered=0.430 org=-0.061 other=0.130 others=-0.058 otp=0.081
our=0.404 out=0.136 outside=0.129 over=-0.107 p=-0.159 pa=-0.251 page=0.178 pages=0.174 paid=-0.193 pan=-0.070
paperwork=-0.082 parcel=0.100 parking=-0.059 party=-0.147 pass=0.214 passport=-0.067 password=-0.163 pay=0.323
paying=0.404 payment=-0.150 pc=0.109 people=-0.088 per=0.112 phone=0.641 photo=-0.160 pick=-0.062 picked=-0.104
picking=-0.146 pin=-0.560 pink=0.140 place=-0.131 plan=-0.139 planned=-0.281 play=0.287 player=0.066
please=-0.273 pls=-0.374 plz=-0.129 pm=-0.306 po=0.181 pobox=0.185 points=-0.074 police=0.591 portal=-0.444
post=-0.144 posted=0.080 pound=0.253 power=-0.294 pre=0.124 premier=0.604 princess=-0.097 private=0.565
prize=0.257 probably=-0.098 problem=-0.051 process=-0.174 processed=0.381 processing=0.094 project=-0.105
promise=-0.072 proof=-0.153 property=-0.059 put=0.276 quick=0.075 quite=-0.141 r=0.051 raat=-0.085 raha=0.053
rain=-0.058 rakhesh=-0.142 rate=0.128 rbi=-0.344 re=-0.067 reach=-0.250 reached=-0.274 ready=-0.252 real=0.207
realize=0.660 really=-0.246 reason=-0.169 receive=0.075 received=-0.240 recharge=-0.052 recovery=0.218 red=0.356
redeem=0.061 ref=-0.423 registered=-0.222 registration=0.310 regret=-0.287 regular=0.291 release=0.267
released=0.249 remain=-0.079 reminder=0.185 reply=0.719 report=-0.082 request=-0.264 resolved=-0.064
respond=0.285 returns=0.458 reward=0.133 rewards=0.061 right=-0.298 ring=0.162 ringtone=0.687 ringtoneking=1.653
romantic=-0.252 rose=-0.061 rs=-0.663 rules=-0.147 run=-0.074 running=0.656 s=-0.682 sacrifice=-0.063 sad=-0.078
safe=-0.212 said=-0.290 salary=-0.215 saman=-0.122 same=-0.089 sanctioned=0.164 sat=-0.089 save=-0.192
saw=-0.053 say=-0.181 says=-0.152 scheme=0.180 school=-0.116 scores=0.211 season=-0.055 secs=0.303 sed=0.187
see=-0.573 seeing=-0.071 selected=0.112 selection=0.210 sell=-0.100 sem=-0.055 send=0.300 sender=-0.071
sent=-0.433 sept=0.498 service=0.910 services=-0.336 set=-0.051 settle=0.222 sex=0.319 sexy=0.157 share=-0.437
she=-0.140 shit=0.075 shop=-0.123 shopping=-0.104 shortly=0.221 shot=0.227 should=-0.263 showing=0.082
shy=-0.125 sick=-0.064 simple=0.140 simply=0.164 since=0.185 singapore=0.461 single=-0.054 sir=-0.312 site=0.180
sleep=-0.068 sleeping=-0.217 slip=-0.190 slowly=-0.092 smart=0.285 smile=-0.209 smiling=-0.203 smoke=-0.050
sms=1.200 snow=-0.052 so=-0.499 society=-0.097 some=-0.056 someone=-0.114 something=-0.288 sometimes=-0.163
songs=-0.120 soon=-0.264 sorry=0.065 sounds=-0.057 speaking=-0.131 special=0.229 spend=-0.065 spk=-0.064
spoke=-0.179 stage=-0.216 standing=-0.169 start=0.180 started=-0.053 statement=0.566 station=0.743 std=0.377
still=-0.220 stops=-0.176 street=-0.070 student=0.111 stuff=-0.163 submit=0.152 subscription=0.305
successful=-0.435 successfully=-0.072 sunday=-0.104 super=0.221 support=0.177 sura=-0.055 sure=-0.232
sweet=-0.058 system=0.083 t=-0.157 ta=0.431 take=-0.237 talk=0.281 talking=0.420 technical=-0.071 telegram=0.239
tell=-0.197 ten=-0.056 tension=-0.159 term=-0.058 test=-0.078 text=1.045 texts=0.203 tha=-0.249 than=-0.099
thank=-0.437 that=-0.266 thats=-0.148 the=-0.499 themob=0.445 then=-0.191 there=-0.188 these=0.186 they=-0.176
thing=-0.091 things=-0.109 think=-0.270 thinking=-0.105 this=0.495 thk=-0.066 tho=-0.066 though=0.231
thought=-0.219 threats=-0.159 through=-0.085 thru=-0.158 ths=-0.070 ticket=-0.234 till=-0.112 time=-0.167
times=-0.139 tlp=0.072 today=-0.364 together=-0.076 told=-0.157 toll=-0.121 tomorrow=-0.526 tone=0.109
tones=0.613 tonight=-0.137 too=-0.249 took=-0.155 top=0.321 tour=-0.094 towards=-0.338 track=-0.260 train=-0.528
training=0.107 transfer=0.083 trip=-0.119 truly=0.341 trust=0.212 try=-0.082 trying=-0.052 ts=0.084 tv=0.171
two=-0.111 txt=0.058 type=-0.057 u=-1.014 u4=0.196 uk=1.019 uncle=0.446 under=0.159 unsubscribe=0.150
until=0.255 up=-0.538 upi=-0.159 upto=-0.110 ur=-0.220 urawinner=0.083 urgent=-0.061 urgnt=-0.058 use=-0.436
used=0.197 user=0.632 usual=-0.279 valentine=-0.083 valid=-0.073 ve=0.175 very=-0.291 via=-0.224 vid=0.177
video=0.991 videos=1.199 visit=-0.242 vodafone=0.305 voice=-0.244 voucher=0.200 waiting=-0.119 wake=-0.050
wala=0.194 walk=0.208 wallet=0.228 wallpaper=0.146 wanna=0.137 want=-0.089 was=-0.725 waste=-0.138 wat=-0.105
way=-0.337 we=0.267 wear=-0.057 web=0.053 website=-0.173 wedding=0.469 week=-0.220 weeks=0.106 welcome=0.419
well=-0.161 went=-0.245 were=-0.383 what=-0.492 whatever=-0.052 whats=-0.051 whatsapp=0.144 when=-0.426
where=-0.219 which=-0.065 while=0.114 who=-0.544 whom=-0.076 wife=-0.146 will=-0.346 win=0.678 winner=0.229
wish=-0.151 with=1.119 wo=0.053 won=0.194 wonder=-0.077 wonderful=-0.089 wont=-0.065 word=0.937 words=-0.058
work=-0.197 working=-0.098 world=-0.212 worth=0.209 wot=-0.053 would=-0.182 wrong=0.436 www=0.190 x=0.216
xmas=0.342 xx=0.071 xyz=0.088 y=-0.160 ya=0.151 yeah=-0.192 year=-0.166 years=0.530 yes=-0.083 yesterday=-0.065
yo=0.141 you=0.352 your=1.350 yourself=-0.316 आज=0.162 आपका=-0.606 आपकी=0.436 आपके=-0.098 और=0.400 करें=0.084
का=-0.165 की=-0.339 कृपया=0.079 के=0.276 कॉल=-0.081 को=-0.249 कोड=0.314 खाते=-0.078 गया=0.125 ग्राहक=0.436
जाएगी=0.436 तुरंत=0.457 तो=-0.074 दिन=-0.396 देखें=-0.191 नहीं=-0.210 पर=-0.320 पाएं=0.225 पुलिस=-0.124
पैसे=0.347 फोन=0.112 बंद=0.436 बताएं=-0.271 बिजली=-0.095 बिल=-0.095 बैंक=-0.134 भेजें=0.447 महीने=-0.309
में=0.652 या=-0.231 रहा=-0.423 रुपये=-0.550 लाख=0.189 लिए=0.276 लोन=0.189 शुल्क=0.194 हुआ=0.138 है=-0.202
हो=0.445
"""
