package auth

import (
	"bytes"
	"encoding/base64"
	"strconv"
	"strings"
	"testing"
)

// vectorSalt and the like are from RFC 7677, section 3.
const (
	vectorClient = "rOprNGfwEbeRWgbNEkqO"
	vectorServer = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
	vectorSalt   = "W22ZaJ0SNY7soEsUEjb6gQ=="
	vectorProof  = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
	vectorSigned = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
)

func TestStandardVector(t *testing.T) {
	salt, err := base64.StdEncoding.DecodeString(vectorSalt)
	if err != nil {
		t.Fatal(err)
	}
	x := client(t, "user", "pencil")
	x.nonce = vectorClient
	if got := x.first(); got != "n,,n=user,r="+vectorClient {
		t.Errorf("client-first %q", got)
	}
	serverFirst := "r=" + vectorServer + ",s=" + vectorSalt + ",i=4096"
	final, err := x.final(serverFirst)
	if err != nil || final != "c=biws,r="+vectorServer+",p="+vectorProof {
		t.Errorf("client-final %q, %v", final, err)
	}
	if err := x.verify("v=" + vectorSigned); err != nil {
		t.Errorf("the server's signature: %v", err)
	}
	k, _, err := deriveKeys("pencil", salt, 4096)
	if err != nil {
		t.Fatal(err)
	}
	server := &serverExchange{entry: entry{keys: k, real: 1}, gs2: "n,,", nonce: vectorServer, text: x.bare + "," + serverFirst}
	if got, err := server.finish(final); err != nil || got != "v="+vectorSigned {
		t.Errorf("server-final %q, %v", got, err)
	}
}

func client(t testing.TB, user, secret string) *clientExchange {
	t.Helper()
	c, err := NewCredentials(user, secret)
	if err != nil {
		t.Fatal(err)
	}
	return &clientExchange{user: user, derive: c.derive, nonce: newNonce()}
}

// store returns secrets of "alice" ("wonderland") and "a=b,c" ("x").
func store(t testing.TB) *Secrets {
	t.Helper()
	var lines []string
	for user, secret := range map[string]string{"alice": "wonderland", "a=b,c": "x"} {
		line, err := HashSecret(user, secret, minIterations)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	s, err := ParseSecrets([]byte(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// login runs both halves against one another.
func login(x *clientExchange, s *Secrets, binding []byte) error {
	server, text, err := startExchange(x.first(), binding, s)
	if err != nil {
		return err
	}
	if text, err = x.final(text); err != nil {
		return err
	}
	if text, err = server.finish(text); err != nil {
		return err
	}
	return x.verify(text)
}

func TestLogins(t *testing.T) {
	s := store(t)
	keys, other := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	for _, tt := range []struct {
		name, user, secret string
		client, server     []byte // bindings
		want               string // in the error; "" for none
	}{
		{"good", "alice", "wonderland", nil, nil, ""},
		{"name with special characters", "a=b,c", "x", nil, nil, ""},
		{"bound", "alice", "wonderland", keys, keys, ""},
		{"client cannot bind", "alice", "wonderland", nil, keys, ""},
		{"wrong secret", "alice", "Wonderland", nil, nil, "login failed"},
		{"unknown user", "bob", "wonderland", nil, nil, "login failed"},
		{"somebody else's secret", "alice", "x", nil, nil, "login failed"},
		{"relayed to another connection", "alice", "wonderland", keys, other, "login failed"},
		{"relayed to plain TCP", "alice", "wonderland", keys, nil, "cannot be bound"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := client(t, tt.user, tt.secret)
			x.binding = tt.client
			err := login(x, s, tt.server)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// TestDowngradeIsNoticed has somebody in the middle take the server's offer of a binding away.
func TestDowngradeIsNoticed(t *testing.T) {
	x := client(t, "alice", "wonderland")
	first := strings.Replace(x.first(), "n,,", "y,,", 1)
	if _, _, err := startExchange(first, make([]byte, 32), store(t)); err != errLogin {
		t.Errorf("a client that thinks the server cannot bind: %v", err)
	}
	if _, _, err := startExchange(first, nil, store(t)); err != nil {
		t.Errorf("and where it cannot: %v", err)
	}
}

func TestReplay(t *testing.T) {
	s := store(t)
	x := client(t, "alice", "wonderland")
	first := x.first()
	server, text, err := startExchange(first, nil, s)
	if err != nil {
		t.Fatal(err)
	}
	final, err := x.final(text)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := server.finish(final); err != nil {
		t.Fatal(err)
	}
	again, _, err := startExchange(first, nil, s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again.finish(final); err != errLogin {
		t.Errorf("a replayed login: %v", err)
	}
}

// TestUnknownUsersLookLikeOthers asks for a user's salt twice, and again after a restart.
func TestUnknownUsersLookLikeOthers(t *testing.T) {
	line, err := HashSecret("alice", "wonderland", 5000)
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for range 2 {
		s, err := ParseSecrets([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			e := s.find("bob")
			if e.real != 0 || len(e.salt) != saltSize || e.iterations != 5000 {
				t.Errorf("made up: %d bytes of salt, %d iterations", len(e.salt), e.iterations)
			}
			seen = append(seen, string(e.salt))
		}
		if bytes.Equal(s.find("bob").salt, s.find("eve").salt) {
			t.Error("two users have one salt")
		}
	}
	for _, salt := range seen {
		if salt != seen[0] {
			t.Error("the salt of an unknown user changes")
		}
	}
}

func TestMalformedFirst(t *testing.T) {
	s := store(t)
	for _, text := range []string{"", "n", "n,", "n,,", "n,a=root,n=alice,r=abcdefghij", "x,,n=alice,r=abcdefghij", "p=tls-unique,,n=alice,r=abcdefghij",
		"n,,m=ext,n=alice,r=abcdefghij", "n,,r=abcdefghij,n=alice", "n,,n=alice", "n,,n=alice,r=short", "n,,n=alice,r=abcdefghij,x=1",
		"n,,n=alice,r=abc defghi", "n,,n=alice,r=" + strings.Repeat("a", 300), strings.Repeat("n", maxMessage+1)} {
		if _, _, err := startExchange(text, nil, s); err != errMalformed {
			t.Errorf("%.40q: %v", text, err)
		}
	}
	x, _, err := startExchange("n,,n=alice,r=abcdefghij", nil, s)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "c=biws,r=abc", "c=biws,r=abc,p=", "c=biws,r=abc,p=!!", "c=biws,r=abc,p=AAAA", strings.Repeat("c", maxMessage) + ",p=AAAA"} {
		if _, err := x.finish(text); err != errMalformed {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

// TestHostileServer lets a server ask for what would harm the client.
func TestHostileServer(t *testing.T) {
	x := client(t, "alice", "wonderland")
	x.first()
	for _, tt := range []struct{ text, want string }{
		{"", "malformed"},
		{"r=" + x.nonce + ",s=AAAA,i=4096", "does not continue"},
		{"r=other,s=AAAA,i=4096", "does not continue"},
		{"r=" + x.nonce + "xyz,s=,i=4096", "malformed"},
		{"r=" + x.nonce + "xyz,s=!,i=4096", "malformed"},
		{"r=" + x.nonce + "xyz,s=AAAA,i=1", "iterations"},
		{"r=" + x.nonce + "xyz,s=AAAA,i=1000000000", "iterations"},
		{"r=" + x.nonce + "xyz,s=AAAA,i=" + strings.Repeat("9", 4000), "iterations"},
		{"m=1,r=" + x.nonce, "malformed"},
		{strings.Repeat("r", maxMessage+1), "malformed"},
	} {
		if _, err := x.final(tt.text); err == nil || !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 200 {
			t.Errorf("%.40q: %v, want %q", tt.text, err, tt.want)
		}
	}
	if _, err := x.final("r=" + x.nonce + "xyz,s=AAAA,i=4096"); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "v=", "v=AAAA", "e=other-error", "v=" + vectorSigned} {
		if err := x.verify(text); err == nil {
			t.Errorf("%q passes for the server's signature", text)
		}
	}
}

func TestSecretsFile(t *testing.T) {
	good, err := HashSecret("alice", "wonderland", 0)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ":")
	if len(parts) != 5 || parts[0] != "alice" || parts[2] != strconv.Itoa(defaultIterations) {
		t.Errorf("the line is %q", good)
	}
	with := func(i int, v string) string {
		changed := append([]string(nil), parts...)
		changed[i] = v
		return strings.Join(changed, ":")
	}
	if _, err := ParseSecrets([]byte("# users\n\n  " + good + "\r\n")); err != nil {
		t.Errorf("a good file: %v", err)
	}
	for _, text := range []string{"alice", with(0, ""), with(0, "al\x01ice"), with(0, strings.Repeat("a", 200)), with(1, "!"), with(1, "AAAA"),
		with(2, "1"), with(2, "x"), with(2, "99999999"), with(3, "AAAA"), with(4, "?"), good + ":more", good + "\n" + good} {
		_, err := ParseSecrets([]byte(text))
		if err == nil || !strings.Contains(err.Error(), "line ") {
			t.Errorf("%q: %v", text, err)
		}
		if err != nil && strings.Contains(err.Error(), parts[4]) {
			t.Errorf("the error shows a key: %v", err)
		}
	}
	for _, bad := range []struct {
		user, secret string
		iterations   int
	}{{"", "x", 0}, {"a:b", "x", 0}, {"a\nb", "x", 0}, {"a", "", 0}, {"a", "x", 1}, {"a", "x", 1 << 30}, {"é", "x", 0}} {
		if _, err := HashSecret(bad.user, bad.secret, bad.iterations); err == nil {
			t.Errorf("HashSecret(%q, %q, %d) succeeds", bad.user, bad.secret, bad.iterations)
		}
	}
}

func FuzzExchange(f *testing.F) {
	f.Add("n,,n=alice,r=abcdefghij", "c=biws,r=abc,p=AAAA", "r=abcdefghijk,s=AAAA,i=4096")
	line, err := HashSecret("alice", "wonderland", minIterations)
	if err != nil {
		f.Fatal(err)
	}
	s, err := ParseSecrets([]byte(line))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, first, final, serverFirst string) {
		if x, _, err := startExchange(first, nil, s); err == nil {
			if _, err := x.finish(final); err == nil {
				t.Error("a login without the secret")
			}
		}
		c := &clientExchange{user: "alice", nonce: "abcdefghij", derive: func([]byte, int) (k keys, client [32]byte, err error) { return }}
		c.first()
		if _, err := c.final(serverFirst); err == nil && !strings.HasPrefix(serverFirst, "r=abcdefghij") {
			t.Errorf("%q continues another login", serverFirst)
		}
	})
}
