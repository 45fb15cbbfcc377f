package auth

import (
	"regexp"
	"strings"
	"testing"

	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

const policyText = `
# who may do what
deny   *                      Orders.drop
allow  tls:spiffe://prod/*    Orders.*   # the front ends
allow  scram:alice            *
deny   unix:root              Mail.*
allow  *:*                    Mail.send*
allow  *                      Health.check
allow  "tls:CN=Web server #1" "Odd.*"
allow  unix:root              kuafu.Admin.*
deny   *                      kuafu.Admin.stop
`

func TestPolicy(t *testing.T) {
	var (
		front  = rpc.Identity{Kind: rpc.IdentityTLS, Name: "spiffe://prod/web"}
		other  = rpc.Identity{Kind: rpc.IdentityTLS, Name: "spiffe://production/web"}
		alice  = rpc.Identity{Kind: rpc.IdentitySCRAM, Name: "alice"}
		forged = rpc.Identity{Kind: rpc.IdentityUnix, Name: "alice"}
		root   = rpc.Identity{Kind: rpc.IdentityUnix, Name: "root"}
		named  = rpc.Identity{Kind: rpc.IdentityTLS, Name: "CN=Web server #1"}
		nobody = rpc.Identity{}
	)
	for _, tt := range []struct {
		id     rpc.Identity
		method string
		want   bool
	}{
		{front, "Orders.get", true},
		{front, "Orders.drop", false}, // the first rule that matches
		{alice, "Orders.drop", false},
		{other, "Orders.get", false},
		{alice, "Anything.at.all", true},
		{forged, "Orders.get", false}, // another kind
		{root, "Mail.sendAll", false},
		{forged, "Mail.sendAll", true},
		{forged, "Mail.read", false},
		{nobody, "Mail.sendAll", false}, // *:* wants an identity
		{nobody, "Health.check", true},
		{nobody, "Health.checks", false},
		{nobody, "health.check", false},
		{named, "Odd.one", true},
		{root, "kuafu.Admin.dump", true},
		{alice, "kuafu.Admin.dump", false}, // "*" is no system service
		{root, "kuafu.Other.dump", false},
		{root, "kuafuAdmin.dump", false},
		{alice, "kuafuAdmin.dump", true}, // not the system's
	} {
		p, err := ParsePolicy(policyText)
		if err != nil {
			t.Fatal(err)
		}
		err = p.Authorize(t.Context(), tt.id, &rpc.Method{FullName: tt.method})
		if (err == nil) != tt.want {
			t.Errorf("%v calls %s: %v, want allowed %v", tt.id, tt.method, err, tt.want)
		}
		if err != nil && rpc.CodeOf(err) != rpc.PermissionDenied {
			t.Errorf("%v calls %s: %v", tt.id, tt.method, err)
		}
	}
}

func TestPolicyDefaults(t *testing.T) {
	for _, tt := range []struct {
		text, method string
		want         bool
	}{
		{"", "Orders.get", false},
		{"default deny", "Orders.get", false},
		{"default allow", "Orders.get", true},
		{"default allow\ndeny * Orders.*", "Orders.get", false},
		{"default allow", "kuafu.Admin.dump", false},
		{"default allow\nallow * *", "kuafu.Admin.dump", false},
		{"default allow\nallow * kuaf*", "kuafu.Admin.dump", false},
		{"allow * kuafu.*", "kuafu.Admin.dump", true},
		{"deny * *\nallow * kuafu.*", "kuafu.Admin.dump", false},
	} {
		p, err := ParsePolicy(tt.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Authorize(t.Context(), rpc.Identity{}, &rpc.Method{FullName: tt.method}) == nil; got != tt.want {
			t.Errorf("%q, %s: allowed %v, want %v", tt.text, tt.method, got, tt.want)
		}
	}
}

func TestBrokenPolicies(t *testing.T) {
	for text, want := range map[string]string{
		"allow *":                              "line 1: want a verdict",
		"\nallow * * *":                        "line 2: want a verdict",
		"permit * *":                           `"permit" is neither`,
		"default":                              "want \"default allow\"",
		"default maybe":                        `"maybe" is neither`,
		"default deny\ndefault allow":          "line 2: a second default",
		`allow "unix:a * b`:                    "does not end",
		`allow "a"b c`:                         "a blank is missing",
		`allow a"b c`:                          "has to be a string",
		"allow tls:CN=Web#1 Orders.*":          "has to be a string",
		strings.Repeat("allow * *\n", 3) + "x": "line 4",
	} {
		if _, err := ParsePolicy(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// FuzzMatch compares with regular expressions.
func FuzzMatch(f *testing.F) {
	for _, pattern := range []string{"", "*", "a*b", "*ab*", "a*b*c", "**", "a.b"} {
		for _, s := range []string{"", "ab", "aabb", "axbxc", "a.b", "aXb", "abab"} {
			f.Add(pattern, s)
		}
	}
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if !regexp.MustCompile(`^[ -~]*$`).MatchString(pattern + s) {
			t.Skip()
		}
		want := regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, ".*") + "$").MatchString(s)
		if got := match(pattern, s); got != want {
			t.Errorf("match(%q, %q) = %v, want %v", pattern, s, got, want)
		}
	})
}
