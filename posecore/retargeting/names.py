"""What a bone's name says: its side, and how well it fits each role.

Knows English first, and the usual words of German, Spanish, French, Italian and Japanese rigs.
Judges one name at a time; what the skeleton as a whole makes of it is for ``automatic``.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from posecore.retargeting.roles import ROLES

_V = TypeVar("_V")

__all__ = ["BoneName", "parse", "parse_all", "score"]


@dataclass(frozen=True)
class BoneName:
    """A name taken apart.

    Attributes:
        side: ``"left"``, ``"right"`` or ``""``.
        words: its words in lower case, without side, numbers and what only says which program made it.
        numbers: the numbers in it.
        helper: whether it names something that is no part of the body's main chain (a twist, a finger, an eye,
            hair, an IK target …).
    """

    side: str
    words: tuple[str, ...]
    numbers: tuple[int, ...] = ()
    helper: bool = False


def _split(words: str) -> list[str]:
    return words.split()


def _each(words: str, value: _V) -> dict[str, _V]:
    """The same value for each of some words."""
    return dict.fromkeys(_split(words), value)


_JAPANESE = {
    # longest first within what they share
    "下半身": " hips ",
    "上半身": " spine ",
    "センター": " cog ",
    "グルーブ": " groove ",
    "手首": " wrist ",
    "足首": " ankle ",
    "つま先": " toe ",
    "ひじ": " elbow ",
    "ひざ": " knee ",
    "親指": " thumb ",
    "人指": " index finger ",
    "人差指": " index finger ",
    "中指": " middle finger ",
    "薬指": " ring finger ",
    "小指": " pinky finger ",
    "両目": " eye ",
    "目": " eye ",
    "髪": " hair ",
    "捩": " twist ",
    "首": " neck ",
    "頭": " head ",
    "肩": " shoulder ",
    "腕": " arm ",
    "足": " thigh ",
    "腰": " hips ",
    "左": " left ",
    "右": " right ",
}
_SIDES = {
    **_each("l left lt lft links linke linker izq izquierda izquierdo gauche sinistra sinistro", "left"),
    **_each("r right rt rgt rechts rechte rechter der derecha derecho droite droit destra", "right"),
}
#: Words that say who made a bone or what it is technically, not where it is.
_NOISE = frozenset(
    _split("""
        def org bip biped bn jnt joint joints bone bones cc base mixamorig valve valvebiped j c x m b skel
        skeleton sk char character rig armature avg fk ctrl control stretch bend def deform root_ jt null
    """)
)
_HELPERS = frozenset(
    _split("""
        twist roll ik pole target tgt aim share nub end site tip endsite effector eff finger fingers thumb index
        middle mid ring pinky pinkie little metacarpal carpal palm eye eyes eyeball eyelid jaw tongue teeth tooth
        lip lips brow brows eyebrow lid lids cheek chin nose ear ears face facial facialbone mouth hair ponytail
        bang bangs braid beard breast breasts boob boobs bust pectoral pec skirt cloth cape coat dress sleeve
        tail wing weapon prop sword gun shield hat helper tweak mch vis attach socket buttock butt glute heel
        bigtoe metatarsal metatarsals dyn dynamic phys physics corrective corr muscle belt bag strap accessory
        hipjoint fingerbase adjust volume pad armor armour spin rock glue marker dummy daumen zeigefinger
        mittelfinger ringfinger dedo pulgar pouce ojo auge augen haare temple forehead collision collider delt
        deltoid bicep triceps lat lats trap scapula kneecap
    """)
)
_MIDDLE_WORDS: dict[str, dict[str, float]] = {
    "hips": {
        **_each("hips hip pelvis hueften huefte hufte becken cadera caderas bassin bacino anche", 1.0),
        "cog": 0.5,
        "body": 0.3,
        "lowerbody": 0.7,
        "root": 0.3,
        "hiproot": 0.8,
        "pelvisroot": 0.8,
        "hipcenter": 0.9,
        "pelvismain": 0.8,
        "center": 0.3,
        "torso": 0.3,
    },
    "spine": {
        **_each("spine abdomen waist lowerback backbone wirbelsaule wirbelsaeule columna", 1.0),
        **_each("torso stomach belly back bauch abdomenlower lowerspine lumbar spinelower", 0.8),
    },
    "chest": {
        **_each("chest brust pecho thorax ribcage ribs torax poitrine torace brustkorb", 1.0),
        **_each("spine upperback middleback abdomenupper chestlower spinemid midspine", 0.8),
        "torso": 0.6,
    },
    "upperChest": {
        **_each("upperchest chestupper", 1.0),
        **_each("chest upperback spine spineupper upperspine upperbody thorax", 0.7),
    },
    "neck": {
        **_each("neck hals nacken cuello cou collo", 1.0),
        **_each("necklower lowerneck lowneck necktwist cervical", 0.9),
    },
    "head": {
        **_each("head kopf cabeza tete testa", 1.0),
        "skull": 0.9,
        "cranium": 0.8,
        "headbase": 0.9,
    },
}
_SIDE_WORDS: dict[str, dict[str, float]] = {
    "Shoulder": {
        **_each("clavicle clav collar collarbone clavicula schluesselbein schlusselbein", 1.0),
        **_each("shoulder schulter hombro epaule spalla claviclebone", 0.9),
        "shldr": 0.4,
    },
    "UpperArm": {
        **_each("upperarm uparm armupper oberarm humerus upparm armup shoulderjoint", 1.0),
        "shldr": 0.95,
        "arm": 0.9,
        "brazo": 0.9,
        "bras": 0.8,
        "braccio": 0.8,
        "shoulder": 0.55,
        "schulter": 0.5,
    },
    "LowerArm": {
        **_each("forearm lowerarm loarm lowarm lowarm armlower unterarm antebrazo radius armlow", 1.0),
        **_each("elbow ellbogen codo coude gomito avantbras avambraccio ulna", 1.0),
    },
    "Hand": _each("hand wrist mano main handgelenk muneca poignet polso", 1.0),
    "UpperLeg": {
        **_each("upperleg upleg thigh legupper femur oberschenkel muslo cuisse coscia uppleg legup", 1.0),
        "hip": 0.95,
        "leg": 0.55,
        "bein": 0.5,
        "pierna": 0.5,
        "huefte": 0.8,
        "hufte": 0.8,
        "cadera": 0.7,
    },
    "LowerLeg": {
        **_each("lowerleg loleg lowleg calf shin leglower tibia unterschenkel pantorrilla leglow", 1.0),
        **_each("knee knie rodilla genou ginocchio crus wade mollet", 1.0),
        "leg": 0.85,
        "bein": 0.5,
        "pierna": 0.6,
    },
    "Foot": _each("foot ankle fuss pie pied tobillo knochel knoechel cheville piede caviglia", 1.0),
    "Toes": {
        **_each("toe toes toebase ball zehe zehen football forefoot ballen punta orteil", 1.0),
        "foot": 0.4,
    },
}
_WORDS: dict[str, dict[str, float]] = {
    name: _SIDE_WORDS[name.removeprefix(its_role.side)] if its_role.side else _MIDDLE_WORDS[name]
    for name, its_role in ROLES.items()
}
_BODY = frozenset(word for words in _WORDS.values() for word in words)
_KNOWN = _BODY | _HELPERS


def _ascii(name: str) -> str:
    for word, english in _JAPANESE.items():
        name = name.replace(word, english)
    name = name.replace("ß", "ss")
    return "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))


def _pieces(name: str) -> list[str]:
    """Words, numbers and side letters in their order, in lower case."""
    name = _ascii(unicodedata.normalize("NFKC", name))
    name = re.split(r"[:|]", name)[-1]
    name = re.sub(r"^([lrLR])(?=[A-Z][a-z])", r"\1_", name.strip())  # lShldr, LHipJoint
    name = re.sub(r"(?<=[a-z0-9])([LR])(?=[\W_\d]|$)", r"_\1", name)  # upperArmL
    name = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[A-Za-z])(?=\d)|(?<=\d)(?=[A-Za-z])", "_", name)
    return [piece.lower() for piece in re.split(r"[^A-Za-z0-9]+", name) if piece]


def _unglued(word: str) -> list[str]:
    """``"leftarm"`` → left, arm; ``"rhand"`` → r, hand; anything else stays."""
    if word in _KNOWN or word in _SIDES or word in _NOISE:
        return [word]
    for side in ("left", "right", "l", "r"):
        for rest, parts in (
            (word.removeprefix(side), [side, word.removeprefix(side)]),
            (word.removesuffix(side), [word.removesuffix(side), side]),
        ):
            if rest != word and rest in _KNOWN:
                return parts
    return [word]


def parse(name: str) -> BoneName:
    """Take a name apart."""
    side, words, numbers = "", [], []
    for piece in (part for glued in _pieces(name) for part in _unglued(glued)):
        if piece.isdigit():
            numbers.append(int(piece))
        elif piece in _SIDES:
            side = side or _SIDES[piece]
        else:
            words.append(piece)
    kept = [word for word in words if word not in _NOISE]
    joined = "".join(kept)
    machinery = re.match(r"(?:MCH|ORG|VIS|WGT)[-_]", name) is not None  # Rigify's inner bones
    helper = machinery or (joined not in _BODY and not _HELPERS.isdisjoint((joined, *kept)))
    # "pelvis.L" and "LHipJoint" lie between the hips and the leg
    helper |= bool(side) and (joined in ("pelvis", "hipjoint") or words[-2:] == ["hip", "joint"])
    return BoneName(side, tuple(kept), tuple(numbers), helper)


def parse_all(names: Sequence[str]) -> list[BoneName]:
    """Take the names of one rig apart; a word that nearly all of them begin with (the character's) is left out."""
    parsed = [parse(name) for name in names]
    if len(parsed) < 4:
        return parsed
    word, times = Counter(name.words[0] if name.words else "" for name in parsed).most_common(1)[0]
    if not word or word in _KNOWN or times < 0.8 * len(parsed):
        return parsed
    return [
        BoneName(name.side, name.words[1:] if name.words[:1] == (word,) else name.words, name.numbers, name.helper)
        for name in parsed
    ]


def score(name: BoneName, role: str) -> float:
    """How well a name fits a role, in [0, 1]. Raises KeyError for an unknown role."""
    words = _WORDS[role]
    if name.helper or not name.words or name.side != ROLES[role].side:
        return 0.0
    whole = "".join(name.words)
    if whole in _KNOWN:
        return words.get(whole, 0.0)
    # Known words among others: the longest run that means something, for less.
    count = len(name.words)
    for length in range(count - 1, 0, -1):
        found = [words.get("".join(name.words[i : i + length]), 0.0) for i in range(count - length + 1)]
        if max(found) > 0:
            return 0.7 * max(found)
    return 0.0
