package auth

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// Secrets are what a server knows about its users' secrets: enough to check a login, not enough to log in. All methods
// may be called concurrently.
type Secrets struct {
	files *files // nil for ParseSecrets
	users atomic.Pointer[users]
}

// users is the content of a file.
type users struct {
	by     map[string]entry
	order  []entry // of by, in the order of the names
	pepper [sha256.Size]byte
}

// entry is one user's line.
type entry struct {
	salt       []byte
	iterations int
	keys
	real int // 1; 0 for a user who does not exist
}

const (
	saltSize          = 16
	defaultIterations = 16384
	maxUserName       = 128
)

// HashSecret returns a user's line for a file of secrets, without a line end: name, salt, iterations, stored key and server
// key, in that order, with colons between and in Base64 where binary. Names are printable ASCII without colon, at most 128
// bytes. More iterations make guessing dearer, and each login; 0 stands for 16,384.
func HashSecret(user, secret string, iterations int) (string, error) {
	if iterations == 0 {
		iterations = defaultIterations
	}
	if err := checkUser(user); err != nil {
		return "", err
	}
	if secret == "" {
		return "", errors.New("auth: an empty secret")
	}
	if iterations < minIterations || iterations > maxIterations {
		return "", fmt.Errorf("auth: %d iterations: %d to %d are allowed", iterations, minIterations, maxIterations)
	}
	salt := make([]byte, saltSize)
	rand.Read(salt) // never fails
	k, _, err := deriveKeys(secret, salt, iterations)
	if err != nil {
		return "", errors.New("auth: the secret cannot be hashed")
	}
	enc := base64.StdEncoding
	return strings.Join([]string{user, enc.EncodeToString(salt), strconv.Itoa(iterations),
		enc.EncodeToString(k.stored[:]), enc.EncodeToString(k.server[:])}, ":"), nil
}

func checkUser(name string) error {
	if name == "" || len(name) > maxUserName || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' || r == ':' }) {
		return fmt.Errorf("auth: a user's name has 1 to %d printable ASCII characters and no colon", maxUserName)
	}
	return nil
}

// OpenSecrets reads a file of lines as HashSecret returns them, and watches it until Close. Empty lines and lines that
// begin with # count for nothing. Whoever can read the file can pose as the server, and guess secrets at leisure.
func OpenSecrets(path string, opts Options) (*Secrets, error) {
	s := &Secrets{}
	var err error
	s.files, err = watch("secrets", []string{path}, opts, func(contents [][]byte) error { return s.take(contents[0]) })
	if err != nil {
		return nil, err
	}
	return s, nil
}

// ParseSecrets is OpenSecrets for a text at hand.
func ParseSecrets(text []byte) (*Secrets, error) {
	s := &Secrets{}
	if err := s.take(text); err != nil {
		return nil, fmt.Errorf("auth: secrets: %w", err)
	}
	return s, nil
}

// Close stops watching. What has been read stays in force.
func (s *Secrets) Close() {
	if s.files != nil {
		s.files.close()
	}
}

// take makes text the content in force. Errors name lines and never quote them.
func (s *Secrets) take(text []byte) error {
	u := &users{by: make(map[string]entry)}
	var names []string
	n := 0
	for line := range bytes.Lines(text) {
		n++
		line := strings.TrimSpace(string(line))
		if line == "" || line[0] == '#' {
			continue
		}
		name, e, err := parseEntry(line)
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		if _, twice := u.by[name]; twice {
			return fmt.Errorf("line %d: a user for the second time", n)
		}
		u.by[name] = e
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		u.order = append(u.order, u.by[name])
	}
	if len(names) == 0 {
		rand.Read(u.pepper[:])
	} else {
		u.pepper = mac(u.order[0].server[:], "salts of unknown users")
	}
	s.users.Store(u)
	return nil
}

func parseEntry(line string) (name string, e entry, err error) {
	fields := strings.Split(line, ":")
	if len(fields) != 5 {
		return "", e, errors.New("want user:salt:iterations:storedKey:serverKey")
	}
	if err := checkUser(fields[0]); err != nil {
		return "", e, err
	}
	if e.salt, err = base64.StdEncoding.DecodeString(fields[1]); err != nil || len(e.salt) < 8 || len(e.salt) > 256 {
		return "", e, errors.New("the salt is not Base64 of 8 to 256 bytes")
	}
	e.iterations, err = strconv.Atoi(fields[2])
	if err != nil || e.iterations < minIterations || e.iterations > maxIterations {
		return "", e, fmt.Errorf("the iterations are not a number from %d to %d", minIterations, maxIterations)
	}
	for i, key := range []*[sha256.Size]byte{&e.stored, &e.server} {
		b, err := base64.StdEncoding.DecodeString(fields[3+i])
		if err != nil || len(b) != sha256.Size {
			return "", e, fmt.Errorf("a key is not Base64 of %d bytes", sha256.Size)
		}
		copy(key[:], b)
	}
	e.real = 1
	return fields[0], e, nil
}

// find returns a user's entry. For one who does not exist it makes one up that looks like the others and is the same each
// time, also after a restart, so that nobody can ask who exists.
func (s *Secrets) find(name string) entry {
	u := s.users.Load()
	digest := mac(u.pepper[:], name)
	e, ok := u.by[name]
	if ok {
		return e
	}
	e = entry{salt: digest[:saltSize], iterations: defaultIterations}
	if n := len(u.order); n > 0 {
		e.iterations = u.order[int(digest[saltSize])%n].iterations
	}
	return e
}
