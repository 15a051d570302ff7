//go:build asteridebug

package poison

// Fill spoils p.
func Fill(p []byte) {
	for i := range p {
		p[i] = Byte
	}
}

// Reuse spoils p and gives it up, so that who has kept a part of it goes on seeing that.
func Reuse(p []byte) []byte {
	Fill(p[:cap(p)])
	return nil
}
