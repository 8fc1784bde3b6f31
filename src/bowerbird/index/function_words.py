"""Words that say how a question is put, not what it is about: articles, prepositions, pronouns, question words.

They are frequent in running text, where BM25 gives them little weight by itself, but rare in tables, titles and
captions, where "how many … were" would outweigh the thing that is asked for.
"""

from __future__ import annotations

from functools import cache

from bowerbird.index.language import SMALL_WORDS

_MORE = {
    "en": """
        a about above after again against all also am another any because been before being below between both but can
        could did do does doing down during each either every few find give had has having he her here hers him his i
        if into its just many may me might more most much must my neither no nor now off once only other our out over
        own same shall she should show so some such tell than their them then there these they those through too under
        up upon us very we were when where while who whom whose why will within would yes you your""",
    "de": """
        aber alle allem allen aller alles am ander andere anderen anderer aus bei bin bis bist da damit dann dass dein
        deren dessen dies diese diesem diesen dieser dieses doch dort du durch einem einen einer eines er etwas gegen
        gibt habe haben hat hatte hatten hier hin ich ihm ihn ihr ihre ihrem ihren ihrer in ja jede jedem jeden jeder
        jedes jener kann kein keine keinen keiner könnte man mehr mein mich mir muss nach noch nun nur ob oder ohne
        sehr sein seine seinem seinen seiner seit sie sind so solche sondern sowie um unter viel viele vom vor wann
        war waren warum wegen weil welche welchem welchen welcher welches wem wen wenn wer wessen wieviel will wir
        wird wo woher wohin wurde wurden während zum zur zwischen über""",
    "fr": """
        ai aux avait avant avez avoir c ces cet cette chaque combien comme comment d dont elle elles encore entre es
        eu fait furent fut il ils j je jusque l laquelle lequel leur leurs lors lui m ma mais me mes moi mon même n ne
        ni nos notre nous on ont ou où peut pourquoi qu quand quelles quels quoi s sa sans se selon ses si soit son
        sous t ta te tes toi ton tous tout toute toutes tu vos votre vous y à étaient était été être""",
    "es": """
        a algo algunos ante antes aquel aquella cada contra cual cuales cuando cuáles cuándo cuánta cuántas cuánto
        cuántos cómo desde donde durante dónde e ella ellas ellos entre era eran eres esa ese eso esta estaba estas
        este esto estos está están fueron ha había han hasta hay le les me mi mientras mucho muy nada ni no nos
        nosotros o os otra otro pero poco porque puede pueden quien quienes quién quiénes sea según ser si sido sin
        sobre son sus también tan tiene tienen todo todos tras tu tú u unas uno unos ya yo él""",
    "it": """
        a ad agli ai al alla alle allo avere aveva chi ci coi col cosa cui dagli dai dal dalla dalle dallo degli dell
        dello do dove ed era erano essere fra fu furono ha hanno ho i in io l lei li lo loro lui ma mi mia mio ne
        negli nell nella nelle nello noi nostro o ogni perché più può qual quali quando quanta quante quanti quanto
        quello questa queste questi questo qui se sia siamo sta stata stati stato su sua sugli sui sul sulla suo suoi
        tra tu tutti tutto uno vi voi""",
    "pt": """
        ao aos aquela aquele até cada das dela dele depois ela elas ele eles entre era eram essa esse esta este está
        estão eu foi foram há isso isto já lhe mas me mesmo meu minha muito nas nem nos nós onde ou pela pelas pelo
        pelos pode porque quais quando quanta quantas quanto quantos quem seja sem ser seu seus sido sobre sua suas
        são só também tem teve tinha umas uns à às""",
    "nl": """
        al alle andere ben daar dan deze die dit doen dus ge geen had hadden heb hebben heeft hem hier hij hoe hoeveel
        hun iets ik ja je kan kon kunnen maar me meer men mijn moet na naar niets nog nu of om onder ons over tegen
        toch toen tot u uit uw veel waar waarom wanneer waren was wat we wel welk werd werden wie wij wil ze zich zij
        zo zonder zou""",
    "sv": """
        alla allt blev bli blir de dem denna deras dess detta dig din du där då efter ej eller er ha hade hans henne
        hennes hon honom här i icke ingen inom jag ju kan kunde man mellan men mig min mot mycket många ni nu när
        någon något några oss samma sedan sig sin sina sitt själv skulle så under upp ut utan vara varför vart vem vi
        vid vilka vilken vilket över""",
    "cs": """
        aby ale ani až bez bude byla byli bylo být co což ho jak jaká jaké jaký jejich její jen ještě již jsem jsme
        kde kdo kdy kolik kterou která které kteří ku mezi mi má můj nad nebo není on ona oni pod podle pokud proto
        protože proč před si tak také ten tento tu u však za ze""",
    "pl": """
        aby albo ani być był była było były co czy dlaczego gdy gdzie go ich ile im ja jaka jaki jakie jej jestem już
        kiedy kto która które którego której których którym lub ma między mnie może nad niż on ona one oni pod poza
        przed przy ta tak także tam te tego tej ten tylko tym u we więc za ze""",
    "tr": """
        acaba altı ama ancak aslında ben biz bunu bunun böyle defa değil diye edilen fazla göre hangisi hem hep her
        hiç ise ki kim kimdir kimin mi mu mü mı nasıl neden nedir nerede nereye niçin o oldu olur onlar onun
        tarafından var vardı veya ya yani üzere şey şu""",
    "vi": """
        ai bao bị bởi chúng chỉ cùng cũng do hay hoặc họ làm lúc lại mà mỗi nhiêu nhiều như nhưng nên nó nếu ra rất
        sau sẽ sự theo thì trên trước tại tới vào vì về đang đâu đó đến ấy ở""",
    "ru": """
        без бы была были было быть вам вас вы где да до ее если есть еще ещё её же здесь им их каждый какая какие
        какого какое какой какую кем когда кого кому которая которое которые которых кто куда ли между меня мне может
        можно мы над нет ни них об он она оно перед под после потому почему при сколько со так также такой там то того
        тоже только том ты уже чего чем через чтобы чье эта эти этого этой этом этот я""",
    "uk": """
        без бо була були було бути вам вас ви вона воно він де кого коли кому котрий куди мені ми між над немає них ні
        о об при про під після скільки так також там те ти то той тільки хто цей ця чи чим чия чому щоб я яка яке яким
        яких якого якою якої які із""",
    "ar": """
        أن أو أي أين إذا إلى إن اسم التي الذي الذين الى ان او اي اين بعد به بها بين تكون تلك ثم حتى حيث ذلك على عليه
        عليها عن عند عنه عنها غير في فيه فيها قبل قد كان كانت كل كم كما كيف لا لقد لم لماذا لن له لها ما ماذا متى مع
        من منذ منه منها هذا هذه هل هم هو هي و يا يكون""",
    "hi": """
        अगर अपना अपनी अपने इन इस उन उस एक और कब कर करता करती करते करने कहाँ कहां का कि कितना कितनी कितने किया किस
        किसका किसकी किसके किसने किसे की कुछ के कैसे को कोई कौन कौनसा कौनसी कौनसे क्या क्यों गई गए गया जब जो तक तब तो
        था थी थे द्वारा नहीं ने पर पहले बाद बीच भी में यह या ये रहा रही रहे लिए लेकिन वह वाला वाली वाले वे साथ से ही
        हुआ हुई हुए है हैं हो होता होती होते""",
    "el": """
        ένα ένας έχει έχουν ή ήταν αλλά αν από αυτή αυτό αυτός για γιατί δε δεν είναι είχε η θα και κατά μία με μετά
        μεταξύ μη μια να ο οι ποια ποιες ποιο ποιοι ποιον ποιος που πού πριν πως πόσα πόσες πόσο πόσοι πότε σε στα στη
        στην στις στο στον στους τα την της τι τις το τον του τους των ως όταν""",
}


@cache
def function_words(language: str) -> frozenset[str]:
    """In lower case; empty for languages without spaces and those that are not listed."""
    return frozenset(f"{SMALL_WORDS.get(language, '')} {_MORE.get(language, '')}".split())
