"""The specimens of compat.thrift, as suite/specimen.go has them."""

import math
import sys

import stubs  # noqa: F401: makes compat importable
from compat.ttypes import (
    Containers, Defaults, Everything, Mood, Overload, Point, Presence, Refusal, Scalars, Shape, Specimen, Tree)

UNICODE = "snö ☃ 漢字 🦉\0end"
EVERY_BYTE = bytes(range(256))
I8, I16, I32, I64 = 2**7 - 1, 2**15 - 1, 2**31 - 1, 2**63 - 1


def specimen(which):
    return {Specimen.USUAL: usual, Specimen.BARE: bare, Specimen.EXTREME: extreme}[which]()


def tree(label, children=(), twin=None, named=()):
    return Tree(label=label, children=list(children), twin=twin, named=dict(named))


def empty_containers(**others):
    values = dict(
        flags=[], tinies=[], smalls=[], mediums=[], larges=[], reals=[], texts=[], blobs=[], moods=[], points=[],
        numbers=set(), words=set(), mood_set=set(), names={}, counts={}, places={}, odds={}, deep={}, cube=[],
        records=[], scores={})
    values.update(others)
    return Containers(**values)


def usual():
    return Everything(
        scalars=Scalars(
            yes=True, no=False, tiny=-1, small=1000, medium=-100000, large=5000000000, real=0.1, text="plain text",
            data=b"\x00\x01\x02\xff", mood=Mood.CHEERFUL, stamp=1700000000000),
        presence=Presence(
            must=-7, must_text="there", plain=3, maybe=0, maybe_text="", maybe_flag=False, maybe_list=[1, 2],
            maybe_point=Point(1, -1), maybe_mood=Mood.GLOOMY, maybe_data=b"\x00", maybe_real=0.0, far=4000, last=-1),
        defaults=Defaults(),
        containers=Containers(
            flags=[True, False, True], tinies=[1, -1], smalls=[300, -300], mediums=list(range(16)),
            larges=[2**40, -2**40], reals=[1.5, -2.25], texts=["a", "", "b"], blobs=[b"\x01", b""],
            moods=[Mood.CHEERFUL, Mood.CALM], points=[Point(1, 2), Point(3, 4)], numbers={-1, 2, 3},
            words={"one", "two"}, mood_set={Mood.GLOOMY, Mood.CHEERFUL}, names={-1: "minus one", 1: "one"},
            counts={"few": 3, "many": 2**50}, places={Mood.CALM: Point(5, 6)}, odds={True: 0.75, False: 0.25},
            deep={7: {8: {9, 10}}}, cube=[[[1], [2, 3]], [], [[]]], records=[{"p": Point(7, 8)}, {}],
            scores={"ann": [1, 2], "bob": []}),
        shapes=[
            Shape(circle=2.5), Shape(corner=Point(1, 1)), Shape(polygon=[Point(0, 0), Point(4, 3)]),
            Shape(label="square"), Shape(nothing=False), Shape(mood=Mood.CALM)],
        tree=tree("root", [tree("left"), tree("right")], tree("twin"), {"heir": tree("heir")}))


def bare():
    return Everything(
        scalars=Scalars(
            yes=False, no=False, tiny=0, small=0, medium=0, large=0, real=0.0, text="", data=b"", mood=Mood.CALM,
            stamp=0),
        presence=Presence(must=0, must_text="", plain=0), defaults=Defaults(), containers=empty_containers(),
        shapes=[], tree=tree(""))


def extreme():
    chain = tree("10")
    for depth in reversed(range(10)):
        chain = tree(str(depth), [chain]) if depth % 2 == 0 else tree(str(depth), twin=chain)
    return Everything(
        scalars=Scalars(
            yes=False, no=True, tiny=-I8 - 1, small=-I16 - 1, medium=-I32 - 1, large=-I64 - 1,
            real=sys.float_info.max, text=UNICODE, data=EVERY_BYTE, mood=Mood.BEYOND, stamp=I64),
        presence=Presence(
            must=I32, must_text=UNICODE, plain=-I32 - 1, maybe_text=UNICODE, maybe_flag=True, maybe_list=[],
            maybe_mood=Mood.BEYOND, maybe_data=b"", maybe_real=-math.inf, far=-I32 - 1, last=I8),
        defaults=Defaults(
            flag=False, tiny=0, small=0, medium=0, large=0, real=0.0, text="", mood=Mood.CALM, numbers=[], table={},
            maybe=-11, must=0),
        containers=empty_containers(
            tinies=[-I8 - 1, I8], smalls=[-I16 - 1, I16], mediums=[-I32 - 1, I32], larges=[-I64 - 1, I64],
            reals=[math.inf, -math.inf, 5e-324, -sys.float_info.max],
            texts=[UNICODE, "\x7f\x80\u07ff\u0800\uffff\U0010ffff"], blobs=[EVERY_BYTE],
            numbers=set(range(-500, 500)), words={str(i) for i in range(1000)},
            names={-I32 - 1: "", I32: UNICODE}, counts={"": -I64 - 1, UNICODE: I64},
            deep={-I64 - 1: {I16: {-I8 - 1, I8}}, 0: {}}),
        shapes=[Shape(circle=math.inf), Shape(label=""), Shape(polygon=[])], tree=chain)


def refusal():
    return Refusal(code=-2, reason=UNICODE, hints=["wait", ""])


def overload():
    return Overload(retry_after_ms=-1500)
