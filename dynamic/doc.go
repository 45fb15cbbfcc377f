// Package dynamic turns JSON into Thrift and back for types that are known only at run time.
//
// A linked schema says what the types are; no code is generated. Message is what is sent, Document and Result are what
// arrives; the codec's limits hold for all of them.
//
//	IDL                     JSON written               JSON accepted besides
//	bool                    true, false
//	i8 .. i64               number, all digits         a string of the number, for writers that have doubles only
//	double                  number                     "NaN", "Infinity", "-Infinity", which are written too; strings of numbers
//	string                  string
//	binary                  string in base64           base64 without padding, URL-safe base64
//	uuid                    string of 36 characters    capital letters
//	enum                    string, its name           the number; a number without a name is written as one
//	list, set               array
//	map                     object                     array of [key, value] arrays, which is what maps are written as whose
//	                                                   keys are doubles, structs or containers
//	struct, exception       object                     null for a field stands for its absence
//	union                   object with one member
//
// Keys of objects stand for integers, bools, enums, uuids and binary as a string of the same form.
package dynamic
