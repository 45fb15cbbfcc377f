/** The grammar's corners. */
# a comment in the manner of the shell
/**/ /***/ /* one */

cpp_include "ignored.h"
include 'shared.idl'
namespace go oddities
namespace cpp kuafu.oddities (uri = "urn:example:oddities", bare)
namespace py.twisted oddities
cpp_namespace kuafu.oddities
java_package example.oddities
csharp_namespace Example

typedef string ( unicode.encoding = "UTF-16", non.standard ) Text (a = "1", a = "2"; b)
typedef list< i32 > cpp_type "std::vector<int>" Vector
typedef map cpp_type "hash_map" < i32, string > ( x.y = "z" ) Table
typedef set cpp_type 'hash_set' <string> Strings
senum Planet { "mercury", "venus" "earth" }
typedef slist Old

const i32 LEADING_ZEROS = 098325
const i32 PLUS = +5
const i32 HEX = -0xFf
const i32 TRUTH = true
const double D = 085.2355
const double E = 1E-3
const double F = +.25

enum Numbers { ONE = 0x1, TWO (note = "two"), MINUS = -5; NEXT } (e.f)
enum Others { ONE = 1, TWO = 2 }
const Others MIXED = Numbers.TWO

struct OneLine {1: i32 a 2: i32 b; 3: i32 c, 4: list<i32> d = [1 2;3,4] 5: map<i32,i32> e = {1:2;3:4 5:6}}

struct Xsd xsd_all {
  1: optional string a xsd_optional xsd_nillable xsd_attrs { 1: string inner }
  2: i32 & b = 3 (cpp.ref)
} (cpp.virtual = "true")

struct Keywords {
  1: i32 namespace
  2: i32 include
  3: i32 void
  4: i32 bool
  5: i32 struct
  6: i32 service
  7: i32 const
  8: i32 required
  9: required i32 optional
  10: i32 list
  11: i32 async
}

struct NoIDs { string a; required i32 b, optional i64 c }

struct HexIDs { true: i32 one; 0x10: i32 sixteen; 0x7fff: i32 most }

struct Referee { 1: Referee & self; 2: list<Referee> & many }

union Either { 1: required i32 left 2: string right }

exception Refusal { 1: string why } (cause = "none")

struct HasException { 1: Refusal refusal; 2: list<Refusal> many }

service Odd extends Later {
  async void fire(1: i32 a),
  oneway void forget(i32 a; i32 b);
  Refusal returned(1: optional Refusal given, 2: required i32 n) throws (1: required Refusal refusal, Refusal other) (x = "y")
  list<i32> ( ann.ot = "ated" ) annotated(1: i32 ( p = "q" ) a ( r )) ( s )
  Planet planet(1: Planet p, 2: Old o, 3: Text t, 4: Vector v, 5: Table x, 6: Strings y)
} (service.note)

service Later { void later() }

struct Semicolon { 1: i32 x };

struct Last { 1: shared.Point p }
