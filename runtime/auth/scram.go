package auth

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// SCRAM-SHA-256, RFC 5802 and 7677, without I/O. Names and secrets are used byte for byte: no SASLprep, so to work with
// other implementations they have to be ASCII. The channel binding is RFC 9266's tls-exporter.
//
//	client                                   server
//	gs2 "n=" user ",r=" nonce            ->            gs2 is "n,,", "y,," or "p=tls-exporter,,"
//	                                     <-  "r=" nonces ",s=" salt ",i=" iterations
//	"c=" gs2 binding ",r=" nonces ",p=" proof ->
//	                                     <-  "v=" signature

const (
	minIterations = 4096 // RFC 7677's minimum
	maxIterations = 1_000_000
	maxMessage    = 4096 // bytes of one message
	nonceSize     = 18   // random bytes, 24 characters
	bindingName   = "tls-exporter"
)

// errLogin is all that is said about a failed login: neither whether the user exists nor what was wrong.
var errLogin = errors.New("login failed")

var errMalformed = errors.New("malformed login message")

// keys are what one side keeps of a secret.
type keys struct {
	stored, server [sha256.Size]byte
}

// deriveKeys turns a secret into its keys; client is what only who knows the secret can make. It is slow on purpose.
func deriveKeys(secret string, salt []byte, iterations int) (k keys, client [sha256.Size]byte, err error) {
	salted, err := pbkdf2.Key(sha256.New, secret, salt, iterations, sha256.Size)
	if err != nil {
		return k, client, err
	}
	client = mac(salted, "Client Key")
	k.stored = sha256.Sum256(client[:])
	k.server = mac(salted, "Server Key")
	return k, client, nil
}

func mac(key []byte, text string) [sha256.Size]byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return [sha256.Size]byte(h.Sum(nil))
}

func xor(a, b [sha256.Size]byte) (out [sha256.Size]byte) {
	subtle.XORBytes(out[:], a[:], b[:])
	return out
}

func newNonce() string {
	var b [nonceSize]byte
	rand.Read(b[:]) // never fails
	return base64.StdEncoding.EncodeToString(b[:])
}

// attribute cuts "k=value" off the front of s, up to the next comma or the end.
func attribute(s, key string) (value, rest string, err error) {
	part, rest, _ := strings.Cut(s, ",")
	value, ok := strings.CutPrefix(part, key+"=")
	if !ok {
		return "", "", errMalformed
	}
	return value, rest, nil
}

// validNonce holds a nonce to printable characters.
func validNonce(s string) bool {
	return len(s) >= 8 && len(s) <= 256 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == ',' })
}

var (
	nameEscaper   = strings.NewReplacer("=", "=3D", ",", "=2C")
	nameUnescaper = strings.NewReplacer("=3D", "=", "=2C", ",")
)

// clientExchange is the client's half of one login.
type clientExchange struct {
	user    string
	derive  func(salt []byte, iterations int) (keys, [sha256.Size]byte, error)
	binding []byte // of the connection; nil if it has none
	nonce   string

	gs2, bare string
	signature [sha256.Size]byte // the server's, which proves that it knows the user's keys
}

// first returns the first message.
func (x *clientExchange) first() string {
	x.gs2 = "n,,"
	if x.binding != nil {
		x.gs2 = "p=" + bindingName + ",,"
	}
	x.bare = "n=" + nameEscaper.Replace(x.user) + ",r=" + x.nonce
	return x.gs2 + x.bare
}

// final returns the answer to the server's first message.
func (x *clientExchange) final(serverFirst string) (string, error) {
	if len(serverFirst) > maxMessage {
		return "", errMalformed
	}
	nonce, rest, err := attribute(serverFirst, "r")
	if err != nil {
		return "", err
	}
	salt64, rest, err := attribute(rest, "s")
	if err != nil {
		return "", err
	}
	count, _, err := attribute(rest, "i")
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(nonce, x.nonce) || len(nonce) == len(x.nonce) || !validNonce(nonce) {
		return "", errors.New("the server's nonce does not continue the client's")
	}
	salt, err := base64.StdEncoding.DecodeString(salt64)
	if err != nil || len(salt) == 0 {
		return "", errMalformed
	}
	iterations, err := strconv.Atoi(count)
	if err != nil || iterations < minIterations || iterations > maxIterations {
		return "", fmt.Errorf("the server asks for %q iterations: %d to %d are allowed", count[:min(len(count), 16)], minIterations, maxIterations)
	}
	k, client, err := x.derive(salt, iterations)
	if err != nil {
		return "", err
	}
	final := "c=" + base64.StdEncoding.EncodeToString(append([]byte(x.gs2), x.binding...)) + ",r=" + nonce
	text := x.bare + "," + serverFirst + "," + final
	x.signature = mac(k.server[:], text)
	proof := xor(client, mac(k.stored[:], text))
	return final + ",p=" + base64.StdEncoding.EncodeToString(proof[:]), nil
}

// verify checks the server's last message. Without it the server has proved nothing.
func (x *clientExchange) verify(serverFinal string) error {
	value, _, err := attribute(serverFinal, "v")
	if err != nil {
		return err
	}
	signature, err := base64.StdEncoding.DecodeString(value)
	if err != nil || subtle.ConstantTimeCompare(signature, x.signature[:]) != 1 {
		return errors.New("the server does not know the user's secret")
	}
	return nil
}

// serverExchange is the server's half of one login. It is good for one attempt.
type serverExchange struct {
	user    string
	entry   entry
	binding []byte // what the client's final message must contain
	gs2     string
	nonce   string // both nonces
	text    string // the first two messages
}

// startExchange takes a client's first message and returns the answer. binding is the connection's, nil if it has none.
func startExchange(clientFirst string, binding []byte, s *Secrets) (*serverExchange, string, error) {
	if len(clientFirst) > maxMessage {
		return nil, "", errMalformed
	}
	x := &serverExchange{}
	flag, rest, _ := strings.Cut(clientFirst, ",")
	authzid, bare, ok := strings.Cut(rest, ",")
	if !ok || authzid != "" { // nobody acts for somebody else
		return nil, "", errMalformed
	}
	switch {
	case flag == "n":
	case flag == "y" && binding == nil:
	case flag == "y": // the client could bind and thinks that the server cannot: somebody is between them
		return nil, "", errLogin
	case flag == "p="+bindingName && binding != nil:
		x.binding = binding
	case flag == "p="+bindingName:
		return nil, "", errors.New("the client's connection is TLS, the server's is not; a login cannot be bound to it")
	default:
		return nil, "", errMalformed
	}
	x.gs2 = flag + ",,"
	name, rest, err := attribute(bare, "n")
	if err != nil {
		return nil, "", err
	}
	nonce, extension, err := attribute(rest, "r")
	if err != nil || extension != "" || !validNonce(nonce) {
		return nil, "", errMalformed
	}
	x.user = nameUnescaper.Replace(name)
	x.entry = s.find(x.user)
	x.nonce = nonce + newNonce()
	answer := "r=" + x.nonce + ",s=" + base64.StdEncoding.EncodeToString(x.entry.salt) + ",i=" + strconv.Itoa(x.entry.iterations)
	x.text = bare + "," + answer
	return x, answer, nil
}

// finish takes the client's final message and returns the server's. Whatever is wrong, the same work is done.
func (x *serverExchange) finish(clientFinal string) (string, error) {
	i := strings.LastIndex(clientFinal, ",p=")
	if i < 0 || len(clientFinal) > maxMessage {
		return "", errMalformed
	}
	final := clientFinal[:i]
	proof, err := base64.StdEncoding.DecodeString(clientFinal[i+len(",p="):])
	if err != nil || len(proof) != sha256.Size {
		return "", errMalformed
	}
	want := "c=" + base64.StdEncoding.EncodeToString(append([]byte(x.gs2), x.binding...)) + ",r=" + x.nonce
	same := subtle.ConstantTimeCompare([]byte(final), []byte(want))
	text := x.text + "," + want
	client := xor([sha256.Size]byte(proof), mac(x.entry.stored[:], text))
	stored := sha256.Sum256(client[:])
	known := subtle.ConstantTimeCompare(stored[:], x.entry.stored[:])
	if same&known&x.entry.real != 1 {
		return "", errLogin
	}
	signature := mac(x.entry.server[:], text)
	return "v=" + base64.StdEncoding.EncodeToString(signature[:]), nil
}
