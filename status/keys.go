package status

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"time"

	"github.com/asteri/asteri-loop"
)

// keys are the token and what follows from it: sessions, which browsers keep in a
// cookie, and the proofs that a form is one of ours. Nothing is stored, so a
// session lives as long as the token, and at most sessionLife.
type keys struct {
	token   [sha256.Size]byte // hashed, so that a comparison tells not even its length
	none    bool              // there is no token
	session []byte
	form    []byte
	now     func() time.Time
}

const sessionLife = 7 * 24 * time.Hour

func newKeys(token string) *keys {
	derive := func(purpose string) []byte { return mac([]byte(token), []byte("asteri-loop status "+purpose)) }
	return &keys{none: token == "", token: sha256.Sum256([]byte(token)), session: derive("session"), form: derive("form"), now: time.Now}
}

func mac(key, message []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(message) // has no error
	return h.Sum(nil)
}

// isToken compares in a time that tells nothing.
func (k *keys) isToken(given []byte) bool {
	if k.none {
		return false
	}
	sum := sha256.Sum256(given)
	return subtle.ConstantTimeCompare(sum[:], k.token[:]) == 1
}

// bearer returns the token of the Authorization field (RFC 6750), if it has one.
func bearer(h *asteri.Header) ([]byte, bool) {
	const scheme = "bearer "
	v := h.Get("Authorization")
	if len(v) < len(scheme) || !asteri.EqualFold(v[:len(scheme)], scheme) {
		return nil, false
	}
	return bytes.TrimSpace(v[len(scheme):]), true
}

// A session is its end in Unix time, 16 random bytes, and the proof that we made
// it.
const (
	sessionHead = 8 + 16
	sessionSize = sessionHead + sha256.Size
)

func (k *keys) newSession() string {
	b := make([]byte, sessionHead, sessionSize)
	binary.BigEndian.PutUint64(b, uint64(k.now().Add(sessionLife).Unix()))
	_, _ = rand.Read(b[8:]) // never fails
	return base64.RawURLEncoding.EncodeToString(append(b, mac(k.session, b)...))
}

// valid tells whether session is one of ours that has not ended. One that is not of
// this token, but has the form, is forged: a guess at the token is as good as one.
func (k *keys) valid(session []byte) (valid, forged bool) {
	if base64.RawURLEncoding.DecodedLen(len(session)) != sessionSize {
		return false, false
	}
	b := make([]byte, sessionSize)
	if _, err := base64.RawURLEncoding.Decode(b, session); err != nil {
		return false, false
	}
	if k.none || !hmac.Equal(b[sessionHead:], mac(k.session, b[:sessionHead])) {
		return false, true
	}
	return k.now().Unix() < int64(binary.BigEndian.Uint64(b)), false
}

// proof is what a form of a session carries, which no other site can know.
func (k *keys) proof(session string) string {
	return base64.RawURLEncoding.EncodeToString(mac(k.form, []byte(session)))
}

func (k *keys) isProof(given, session string) bool {
	return session != "" && hmac.Equal([]byte(given), []byte(k.proof(session)))
}

// cookieName is another one for each port: cookies are not told apart by port, and
// two servers on a machine must not take each other's place.
func cookieName(r *asteri.Request) string {
	const name = "asteri-status"
	i := bytes.LastIndexByte(r.Authority, ':')
	if i < 0 {
		return name
	}
	if port, err := strconv.ParseUint(string(r.Authority[i+1:]), 10, 16); err == nil {
		return name + "-" + strconv.FormatUint(port, 10)
	}
	return name
}

// sessionOf returns the session that the request's cookie proves, or "" and what is
// there in its place.
func (k *keys) sessionOf(r *asteri.Request) (session string, forged []byte) {
	name := cookieName(r)
	for field := range r.Header.Values("Cookie") {
		for pair := range bytes.SplitSeq(field, []byte(";")) {
			key, value, ok := bytes.Cut(bytes.TrimSpace(pair), []byte("="))
			if !ok || string(key) != name {
				continue
			}
			switch valid, isForged := k.valid(value); {
			case forged != nil: // one guess for each request
			case valid:
				return string(value), nil
			case isForged:
				forged = value
			}
		}
	}
	return "", forged
}

// setCookie has the browser keep a session. Of the two paths that are ours neither
// is above the other (RFC 6265 section 5.1.4), and the application shall not see it.
func (s *Monitor) setCookie(h *asteri.Header, r *asteri.Request, session string) {
	tail := "; HttpOnly; SameSite=Strict; Max-Age=" + strconv.Itoa(int(sessionLife.Seconds()))
	if r.Scheme == "https" {
		tail += "; Secure"
	}
	for _, path := range []string{s.opts.Path, s.opts.Path + ".json"} {
		h.Add("Set-Cookie", cookieName(r)+"="+session+"; Path="+path+tail)
	}
}
