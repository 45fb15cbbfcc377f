package gen

import "testing"

func TestNames(t *testing.T) {
	for _, test := range []struct{ idl, exported, unexported string }{
		{"id", "ID", "id"},
		{"user_id", "UserID", "userID"},
		{"userId", "UserID", "userID"},
		{"userIds", "UserIDs", "userIDs"},
		{"userIDs", "UserIDs", "userIDs"},
		{"IDs", "IDs", "ids"},
		{"URL", "URL", "url"},
		{"urlPath", "URLPath", "urlPath"},
		{"HTTPServer", "HTTPServer", "httpServer"},
		{"https_url", "HTTPSURL", "httpsURL"},
		{"XMLHttpRequest", "XMLHTTPRequest", "xmlHTTPRequest"},
		{"DARK_BLUE", "DarkBlue", "darkBlue"},
		{"MAX_HTTP_IDS", "MaxHTTPIDs", "maxHTTPIDs"},
		{"A", "A", "a"},
		{"a", "A", "a"},
		{"aB", "AB", "aB"},
		{"echo", "Echo", "echo"},
		{"_private", "Private", "private"},
		{"trailing_", "Trailing", "trailing"},
		{"__x__y__", "XY", "xY"},
		{"_", "X", "x"},
		{"_1", "X1", "x1"},
		{"v1_2", "V1_2", "v1_2"},
		{"v12", "V12", "v12"},
		{"id3", "ID3", "id3"},
		{"utf8", "UTF8", "utf8"},
		{"sha256sum", "Sha256sum", "sha256sum"},
		{"type", "Type", "type"},
		{"isOK", "IsOK", "isOK"},
		{"getX", "GetX", "getX"},
		{"OSs", "OSs", "oss"},
	} {
		if got := exportedName(test.idl); got != test.exported {
			t.Errorf("exportedName(%q) = %q, want %q", test.idl, got, test.exported)
		}
		if got := unexportedName(test.idl); got != test.unexported {
			t.Errorf("unexportedName(%q) = %q, want %q", test.idl, got, test.unexported)
		}
	}
}

func TestScope(t *testing.T) {
	s := newScope(reservedWords)
	for i, want := range []string{"type_", "type__", "x", "x_", "x__"} {
		name := "type"
		if i >= 2 {
			name = "x"
		}
		if got := s.claim(name); got != want {
			t.Errorf("claim %d of %q = %q, want %q", i, name, got, want)
		}
	}
}

func TestPackageName(t *testing.T) {
	for _, test := range []struct{ path, name string }{
		{"echo", "echo"},
		{"a/b/Echo", "echo"},
		{"example.com/echo/v2", "echo"},
		{"example.com/echo/v1", "v1"},
		{"a/v2", "v2"},
		{"a/type", "type_"},
		{"a/string", "string_"},
		{"a/main", "main"},
		{"go-echo", "go_echo"},
		{"a/1", "x1"},
		{"a/_", "x"},
	} {
		if got := PackageName(test.path); got != test.name {
			t.Errorf("PackageName(%q) = %q, want %q", test.path, got, test.name)
		}
	}
}

func TestWellFormedTag(t *testing.T) {
	for tag, want := range map[string]bool{
		``:                            true,
		`json:"a"`:                    true,
		`json:"a,omitempty" yaml:"b"`: true,
		`json:"a \"quoted\""`:         true,
		`json`:                        false,
		`json:a`:                      false,
		`json:"a`:                     false,
		`json:"a"yaml:"b"`:            false,
		`:"a"`:                        false,
	} {
		if got := wellFormedTag(tag); got != want {
			t.Errorf("wellFormedTag(%q) = %t", tag, got)
		}
	}
}
