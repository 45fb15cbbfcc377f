package main

import (
	"bytes"
	"crypto/tls"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/kuafu-rpc/kuafu/internal/testpki"
	"github.com/kuafu-rpc/kuafu/runtime/auth"
	"github.com/kuafu-rpc/kuafu/runtime/server"
)

const password = "correct horse"

// securedServers starts servers with every kind of security, and returns their addresses by the names that the tables
// use. The working directory has the files that clients need.
func securedServers(t *testing.T) *strings.Replacer {
	t.Helper()
	t.Setenv(envUser, "")
	t.Setenv(envPassword, "")
	t.Chdir(t.TempDir())
	ours, foreign := testpki.New(t, "ours"), testpki.New(t, "foreign")
	write := func(name string, content []byte) {
		t.Helper()
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pair := func(name string, p testpki.Pair) {
		write(name+".crt", p.Cert)
		write(name+".key", p.Key)
	}
	write("ca.pem", ours.PEM)
	write("foreign-ca.pem", foreign.PEM)
	write("not.pem", []byte("no certificate\n"))
	pair("ada", ours.Issue(testpki.Subject{CommonName: "ada"}))
	pair("eve", foreign.Issue(testpki.Subject{CommonName: "eve"}))
	write("password", []byte(password+"\n"))
	write("wrong", []byte("battery staple"))
	write("empty", []byte("\n"))
	write("lines", []byte("one\ntwo\n"))
	write("long", bytes.Repeat([]byte("x"), maxPassword+1))

	line, err := auth.HashSecret("ada", password, 4096)
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := auth.ParseSecrets([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	mutual := ours.Server()
	mutual.ClientAuth, mutual.ClientCAs = tls.RequireAndVerifyClientCert, ours.Pool
	elsewhere := ours.Server()
	elsewhere.Certificates = []tls.Certificate{ours.Issue(testpki.Subject{Names: []string{"greeter.example"}}).TLS}

	quiet := server.WithLogger(slog.New(slog.DiscardHandler))
	const secure, clear = "tls://127.0.0.1:0", "tcp://127.0.0.1:0"
	return strings.NewReplacer(
		"CLEAR", serveAt(t, clear, sights, quiet),
		"SECURE", serveAt(t, secure, sights, quiet, server.WithTLS(ours.Server())),
		"ELSEWHERE", serveAt(t, secure, sights, quiet, server.WithTLS(elsewhere)),
		"MUTUAL", serveAt(t, secure, sights, quiet, server.WithTLS(mutual)),
		"LOGIN", serveAt(t, clear, sights, quiet, server.WithSecrets(secrets)),
		"BOTH", serveAt(t, secure, sights, quiet, server.WithTLS(ours.Server()), server.WithSecrets(secrets)),
	)
}

// TestSecurity runs the command against real servers, right and wrong. What it says names the flag that is missing.
func TestSecurity(t *testing.T) {
	addresses := securedServers(t)
	for _, test := range []struct {
		line   string
		status int
		want   string // all of standard output, or of standard error if that is not empty; ... stands for anything
	}{
		{"health SECURE --tls --ca ca.pem", exitOK, "SERVING"},
		{"health tls://SECURE --ca ca.pem", exitOK, "SERVING"},
		{"health SECURE --ca ca.pem", exitOK, "SERVING"},
		{"health SECURE --ca ca.pem --server-name localhost", exitOK, "SERVING"},
		{"health ELSEWHERE --ca ca.pem --server-name greeter.example", exitOK, "SERVING"},
		{"health MUTUAL --ca ca.pem --cert ada.crt --key ada.key", exitOK, "SERVING"},
		{"health LOGIN --user ada --password-file password", exitOK, "SERVING"},
		{"health BOTH --ca ca.pem --user ada --password-file password", exitOK, "SERVING"},
		{"call BOTH Greeter.count -d {\"name\":\"X\"} --ca ca.pem --user ada --password-file password", exitFailed,
			`kuafu: Greeter.count: not_found: nobody called "X" was here (executed)`},
		{"list BOTH Greeter --ca ca.pem --user ada --password-file password", exitOK, "METHOD ..."},
		{"describe BOTH Manner --ca ca.pem --user ada --password-file password", exitOK, "// github.com..."},
		{"bench BOTH Greeter.forget -n 1 -c 1 --ca ca.pem --user ada --password-file password", exitOK, "Greeter.forget\n..."},
		{"health SECURE --ca ca.pem --thrift framed,multiplexed", exitOK, "SERVING"},

		{"health SECURE", exitConnection,
			"kuafu: ...unavailable: connection to tcp://SECURE: the server ends the connection: failed_precondition: " +
				"this port speaks TLS only: use a tls:// address...; the server speaks TLS: add --tls"},
		{"list SECURE", exitConnection, "kuafu: ...; the server speaks TLS: add --tls"},
		{"health CLEAR --tls", exitConnection, "kuafu: unavailable: connecting to tls://CLEAR: TLS: ...; " +
			"if the server is without TLS, leave out --tls and its companions, and tls:// in the address"},
		{"health SECURE --tls", exitConnection, "kuafu: unavailable: connecting to tls://SECURE: TLS: tls: failed to verify certificate: " +
			"x509: certificate signed by unknown authority; if the authority is your own, give its certificate with --ca"},
		{"health SECURE --ca foreign-ca.pem", exitConnection, "kuafu: unavailable: connecting to tls://SECURE: TLS: tls: failed to verify certificate: " +
			"x509: certificate signed by unknown authority...; the server's certificate is from none of the authorities in foreign-ca.pem"},
		{"health ELSEWHERE --ca ca.pem", exitConnection, "kuafu: unavailable: connecting to tls://ELSEWHERE: TLS: tls: failed to verify certificate: " +
			"x509: ...; if this is the right server, say with --server-name which name its certificate is for"},
		{"health SECURE --ca ca.pem --server-name bank.example", exitConnection, "kuafu: unavailable: connecting to tls://SECURE: TLS: " +
			"tls: failed to verify certificate: x509: certificate is valid for localhost, not bank.example; " +
			"if this is the right server, say with --server-name which name its certificate is for"},
		{"health MUTUAL --ca ca.pem", exitConnection, "kuafu: ...unavailable: connection to tls://MUTUAL: remote error: tls: " +
			"certificate required...; the server wants a certificate of its clients: give --cert and --key"},
		{"health MUTUAL --ca ca.pem --cert eve.crt --key eve.key", exitConnection, "kuafu: ...unavailable: connection to tls://MUTUAL: " +
			"remote error: tls: ...; the server does not accept the certificate in eve.crt"},

		{"health LOGIN", exitFailed, "kuafu: Health.check: unauthenticated: this server wants its clients to log in first: see client.WithSecret " +
			"(not executed); give --user and --password-file"},
		{"health LOGIN --user ada --password-file wrong", exitConnection,
			"kuafu: unauthenticated: logging in to tcp://LOGIN as ada: login failed; is the user's name right, and the password?"},
		{"health LOGIN --user eve --password-file password", exitConnection,
			"kuafu: unauthenticated: logging in to tcp://LOGIN as eve: login failed; is the user's name right, and the password?"},
		{"health CLEAR --user ada --password-file password", exitConnection, `kuafu: unimplemented: logging in to tcp://CLEAR as ada: ` +
			`no service for "kuafu.Auth.start"; this server has no logins: leave out --user, and KUAFU_USER in the environment`},

		{"health tcp://CLEAR --tls", exitUsage, "kuafu: tcp://CLEAR is without TLS, which the flags ask for: write tls://, or leave the scheme out"},
		{"health unix:///x --ca ca.pem", exitUsage, "kuafu: unix:///x: there is no TLS on Unix sockets, and no use for its flags"},
		{"health SECURE --ca missing.pem", exitUsage, "kuafu: ...missing.pem: no such file or directory"},
		{"health SECURE --ca not.pem", exitUsage, "kuafu: auth: certificates: the file of authorities holds no certificate"},
		{"health SECURE --cert ada.crt", exitUsage, "kuafu: --cert and --key go together"},
		{"health SECURE --cert ada.crt --key eve.key", exitUsage, "kuafu: auth: certificates: ...private key does not match public key"},
		{"health LOGIN --password-file password", exitUsage, "kuafu: --password-file: whose password? Add --user"},
		{"health LOGIN --user ada", exitUsage, "kuafu: no password for user ada: give --password-file, or set KUAFU_PASSWORD"},
		{"health LOGIN --user a:b --password-file password", exitUsage, "kuafu: ...a user's name has..."},
		{"health LOGIN --user ada --password-file missing", exitUsage, "kuafu: --password-file: open missing: no such file or directory"},
		{"health LOGIN --user ada --password-file empty", exitUsage, "kuafu: --password-file empty: empty"},
		{"health LOGIN --user ada --password-file lines", exitUsage, "kuafu: --password-file lines: more than one line"},
		{"health LOGIN --user ada --password-file long", exitUsage, "kuafu: --password-file long: longer than 4096 bytes"},
		{"health LOGIN --user ada --password-file password --thrift framed", exitUsage, "kuafu: client: stock Thrift servers know no logins"},
	} {
		status, stdout, stderr := kuafu(t, "", strings.Fields(addresses.Replace(test.line))...)
		got := stderr
		if got == "" {
			got = stdout
		}
		if status != test.status || !matches(got, addresses.Replace(test.want)+"\n") {
			t.Errorf("%s\nexit status %d, want %d, got\n%s", test.line, status, test.status, got)
		}
		if strings.Contains(stdout+stderr, password) || strings.Contains(stdout+stderr, "battery") {
			t.Errorf("%s: a password was printed:\n%s%s", test.line, stdout, stderr)
		}
	}
}

// matches reports whether text is pattern, in which ... stands for anything.
func matches(text, pattern string) bool {
	parts := strings.Split(strings.TrimSuffix(pattern, "\n"), "...")
	rest, ok := strings.CutPrefix(text, parts[0])
	if len(parts) == 1 {
		return ok && rest == "\n"
	}
	for _, part := range parts[1 : len(parts)-1] {
		if _, rest, ok = strings.Cut(rest, part); !ok {
			return false
		}
	}
	return ok && strings.HasSuffix(strings.TrimSuffix(rest, "\n"), parts[len(parts)-1])
}

// TestCredentialsFromEnvironment: flags go before them.
func TestCredentialsFromEnvironment(t *testing.T) {
	addresses := securedServers(t)
	for _, test := range []struct {
		user, password, flags string
		status                int
	}{
		{"ada", password, "", exitOK},
		{"", password, "--user ada", exitOK},
		{"ada", "battery staple", "", exitConnection},
		{"ada", "battery staple", "--password-file password", exitOK},
		{"eve", password, "--user ada", exitOK},
		{"ada", "", "", exitUsage},
	} {
		t.Setenv(envUser, test.user)
		t.Setenv(envPassword, test.password)
		line := addresses.Replace("health LOGIN " + test.flags)
		if status, _, stderr := kuafu(t, "", strings.Fields(line)...); status != test.status {
			t.Errorf("%+v: exit status %d, %s", test, status, stderr)
		}
	}
	// They are meant for servers that can ask for them.
	t.Setenv(envUser, "ada")
	if status, _, stderr := kuafu(t, "", strings.Fields(addresses.Replace("health CLEAR --thrift framed,multiplexed"))...); status != exitOK {
		t.Errorf("with --thrift: exit status %d, %s", status, stderr)
	}
}

// TestHintAsJSON: a hint is a member of its own.
func TestHintAsJSON(t *testing.T) {
	addresses := securedServers(t)
	_, _, stderr := kuafu(t, "", strings.Fields(addresses.Replace("health LOGIN -o json"))...)
	const want = `{
  "error": {
    "code": "unauthenticated",
    "message": "this server wants its clients to log in first: see client.WithSecret",
    "method": "Health.check",
    "execution": "not executed",
    "hint": "give --user and --password-file"
  }
}
`
	if stderr != want {
		t.Errorf("got %s", stderr)
	}
}

// TestHashSecret: the line that it prints lets the user log in.
func TestHashSecret(t *testing.T) {
	t.Setenv(envUser, "")
	for _, stdin := range []string{password, password + "\n", password + "\r\n"} {
		status, line, stderr := kuafu(t, stdin, "auth", "hash-secret", "ada", "--iterations", "5000")
		if status != 0 || !strings.HasPrefix(line, "ada:") || !strings.Contains(line, ":5000:") || strings.Count(line, "\n") != 1 {
			t.Fatalf("exit status %d, %s%s", status, line, stderr)
		}
		secrets, err := auth.ParseSecrets([]byte(line))
		if err != nil {
			t.Fatal(err)
		}
		address := serveAt(t, "tcp://127.0.0.1:0", sights, server.WithSecrets(secrets))
		t.Setenv(envPassword, password)
		if status, _, stderr := kuafu(t, "", "health", address, "--user", "ada"); status != 0 {
			t.Errorf("%q: exit status %d, %s", stdin, status, stderr)
		}
	}
	for _, test := range []struct{ line, stdin, want string }{
		{"auth", "", "want auth hash-secret"},
		{"auth nonsense", "", "there is no command auth nonsense"},
		{"auth hash-secret", "x", "want the name of one user"},
		{"auth hash-secret ada secret", "x", "want the name of one user"},
		{"auth hash-secret ada", "", "the secret on standard input: empty"},
		{"auth hash-secret ada", "a\nb\n", "the secret on standard input: more than one line"},
		{"auth hash-secret a:b", "x", "no colon"},
		{"auth hash-secret ada --iterations 1", "x", "1 iterations"},
	} {
		status, stdout, stderr := kuafu(t, test.stdin, strings.Fields(test.line)...)
		if status != exitUsage || stdout != "" || !strings.Contains(stderr, test.want) {
			t.Errorf("%s: exit status %d, %s%s", test.line, status, stdout, stderr)
		}
	}
}

// TestPasswordIsNoFlag: other users see a process's flags.
func TestPasswordIsNoFlag(t *testing.T) {
	a := &app{in: strings.NewReader(""), out: io.Discard, err: io.Discard}
	for _, cmd := range a.root().Commands() {
		for _, name := range []string{"password", "secret", "pass"} {
			if cmd.Flags().Lookup(name) != nil {
				t.Errorf("%s has --%s", cmd.Name(), name)
			}
		}
	}
}
