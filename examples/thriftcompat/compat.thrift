/**
 * Everything that Thrift's first implementations agree on, to be sent between ours and theirs.
 *
 * The file is plain Apache Thrift: rpcgen and Apache's compiler both take it.
 */
namespace go compat
namespace py compat

// ---- types

/** A mood has a number below zero, and gaps. */
enum Mood {
  CALM = 0,
  GLOOMY = -3,
  CHEERFUL = 7,
  BEYOND = 2147483647,
}

typedef i64 Stamp
typedef map<string, list<i32>> Scores

const i32 LARGE = 1048576

/** Every base type. */
struct Scalars {
  1: bool yes,
  2: bool no,
  3: i8 tiny,
  4: i16 small,
  5: i32 medium,
  6: i64 large,
  7: double real,
  8: string text,
  9: binary data,
  10: Mood mood,
  11: Stamp stamp,
}

/** Every requiredness. */
struct Presence {
  1: required i32 must,
  2: required string must_text,
  3: i32 plain,
  4: optional i32 maybe,
  5: optional i32 never,
  6: optional string maybe_text,
  7: optional bool maybe_flag,
  8: optional list<i32> maybe_list,
  9: optional Point maybe_point,
  10: optional Mood maybe_mood,
  11: optional binary maybe_data,
  12: optional double maybe_real,
  // Ids that go down and jump: compact writes them in full.
  4000: optional i32 far,
  32767: optional i8 last,
}

/** Values that nobody has to set. */
struct Defaults {
  1: bool flag = true,
  2: i8 tiny = -8,
  3: i16 small = 16,
  4: i32 medium = LARGE,
  5: i64 large = -9000000000,
  6: double real = 2.5,
  7: string text = "as agreed",
  8: Mood mood = Mood.GLOOMY,
  9: list<i32> numbers = [1, -2, 3],
  10: map<string, i32> table = {"one": 1, "two": 2},
  11: optional i32 maybe = 11,
  12: required i32 must = 12,
}

struct Point {
  1: required i32 x,
  2: required i32 y,
}

/** Containers of everything, in one another. */
struct Containers {
  1: list<bool> flags,
  2: list<i8> tinies,
  3: list<i16> smalls,
  4: list<i32> mediums,
  5: list<i64> larges,
  6: list<double> reals,
  7: list<string> texts,
  8: list<binary> blobs,
  9: list<Mood> moods,
  10: list<Point> points,
  11: set<i32> numbers,
  12: set<string> words,
  13: set<Mood> mood_set,
  14: map<i32, string> names,
  15: map<string, i64> counts,
  16: map<Mood, Point> places,
  17: map<bool, double> odds,
  18: map<i64, map<i16, set<i8>>> deep,
  19: list<list<list<i32>>> cube,
  20: list<map<string, Point>> records,
  21: Scores scores,
}

/** One of these. */
union Shape {
  1: double circle,
  2: Point corner,
  3: list<Point> polygon,
  4: string label,
  5: bool nothing,
  6: Mood mood,
}

/** Contains itself, in three ways. */
struct Tree {
  1: string label,
  2: list<Tree> children,
  3: optional Tree twin,
  4: map<string, Tree> named,
}

struct Everything {
  1: Scalars scalars,
  2: Presence presence,
  3: Defaults defaults,
  4: Containers containers,
  5: list<Shape> shapes,
  6: Tree tree,
}

/** Which of the values that every implementation has a copy of. */
enum Specimen {
  /** Small values, and something in every container. */
  USUAL = 1,
  /** Required fields only; containers that are empty. */
  BARE = 2,
  /** The ends of every range, and text that is not ASCII. */
  EXTREME = 3,
}

// ---- exceptions

exception Refusal {
  1: required i32 code,
  2: string reason,
  3: list<string> hints,
}

exception Overload {
  1: i64 retry_after_ms,
}

// ---- services

/** What the other service has from its ancestor. */
service Base {
  string ping(1: string text),
  void nothing(),
}

service Compat extends Base {
  /** Returns the server's copy of a specimen. */
  Everything specimen(1: Specimen which),
  /** Returns whether the value is the server's copy of the specimen. */
  bool same(1: Specimen which, 2: Everything value),
  /** Returns what it gets. */
  Everything echo(1: Everything value),

  // One argument and one result of each kind.
  bool echo_bool(1: bool v),
  i8 echo_i8(1: i8 v),
  i16 echo_i16(1: i16 v),
  i32 echo_i32(1: i32 v),
  i64 echo_i64(1: i64 v),
  double echo_double(1: double v),
  string echo_string(1: string v),
  binary echo_binary(1: binary v),
  Mood echo_mood(1: Mood v),
  list<string> echo_list(1: list<string> v),
  set<i32> echo_set(1: set<i32> v),
  map<string, i32> echo_map(1: map<string, i32> v),
  Shape echo_shape(1: Shape v),
  /** Returns its arguments in one text: "-1 two true". */
  string join(1: i32 a, 2: string b, 3: bool c),

  /** Returns 1 for 1; throws Refusal for 2, Overload for 3, and for anything else what is not declared. */
  i32 attempt(1: i32 which) throws (1: Refusal refusal, 2: Overload overload),
  /** Throws Refusal if it really should. */
  void refuse(1: bool really) throws (1: Refusal refusal),

  /** Adds a line to a log. */
  oneway void note(1: string log, 2: string line),
  /** Returns a log, and forgets it. */
  list<string> notes(1: string log),
}

/** What no server has yet. Clients call it under the name of Compat where names matter. */
service Future {
  i32 not_yet(1: i32 n),
}
