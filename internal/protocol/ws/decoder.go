package ws

// Event is what a Decoder found complete: a whole message or a control frame.
type Event struct {
	// Op is Text, Binary, Close, Ping or Pong; Continuation if nothing was
	// complete yet.
	Op Opcode
	// Data is the payload. It is valid until the next call of the Decoder, and
	// no longer than what was given to this one.
	Data []byte
}

// Decoder reads the frames of a peer. It holds no memory between messages but
// itself, and what Inflater holds.
type Decoder struct {
	// Limit is the greatest message in bytes, decompressed. It must be set.
	Limit int
	// Client says that the peer is a server, which does not mask.
	Client bool
	// Inflater decompresses; nil if compression was not negotiated.
	Inflater *Inflater

	head     [MaxHeader]byte
	headLen  uint8
	inFrame  bool
	frame    header // the frame under way; its length is what is still to come
	message  Opcode // the message under way; Continuation if there is none
	deflated bool   // it is compressed
	lent     bool   // buf was given out with the last event
	text     textCheck
	control  *[]byte // a control frame's payload so far, if it came in parts
	buf      *buffer // the message so far, if it came in parts or is compressed

	unpacker *decompressor // of the message in buf, which has come whole
	unpacked *buffer       // what it has made of it
	worked   int           // bytes that the last call unpacked
	idle     int           // frames that the last call read and that said nothing
}

// unpackStep is how many bytes one call of Next unpacks at most: a small part of a
// millisecond's work.
const unpackStep = 64 << 10

// Next reads from in, which it unmasks in place, and returns how many bytes it
// took. It stops behind the first event, at the end of in, when it has unpacked as
// much as it does at a time (see Unpacking), or with an error, which is an *Error
// and final.
func (d *Decoder) Next(in []byte) (n int, ev Event, err error) {
	d.worked, d.idle = 0, 0
	if d.lent {
		d.release()
	}
	if d.unpacker != nil {
		ev, err = d.unpack()
		return 0, ev, err
	}
	if !d.inFrame {
		var complete bool
		if n, complete, err = d.readHeader(in); err != nil || !complete {
			return n, Event{}, err
		}
		if h := &d.frame; h.op.isControl() && h.op != Close || !h.fin && h.length < tinyFragment {
			d.idle = 1
		}
	}
	taken := int(min(int64(len(in)-n), d.frame.length))
	part := in[n : n+taken]
	if d.frame.masked {
		d.frame.key = mask(part, d.frame.key)
	}
	d.frame.length -= int64(taken)
	if d.frame.length == 0 {
		d.inFrame = false
	}
	if d.frame.op.isControl() {
		ev = d.onControl(part)
	} else {
		ev, err = d.onData(part)
	}
	return n + taken, ev, err
}

// readHeader collects a header and begins its frame.
func (d *Decoder) readHeader(in []byte) (n int, complete bool, err error) {
	p := in
	if d.headLen > 0 || len(in) < 2 || len(in) < headerSize(in[1]) {
		for len(in) > n && (d.headLen < 2 || int(d.headLen) < headerSize(d.head[1])) {
			d.head[d.headLen] = in[n]
			d.headLen++
			n++
		}
		if d.headLen < 2 || int(d.headLen) < headerSize(d.head[1]) {
			return n, false, nil
		}
		p = d.head[:d.headLen]
		d.headLen = 0
	} else {
		n = headerSize(in[1])
	}
	h, err := parseHeader(p)
	if err == nil {
		err = d.begin(&h)
	}
	return n, true, err
}

// begin checks a frame against the state of the connection.
func (d *Decoder) begin(h *header) error {
	switch {
	case h.masked == d.Client && d.Client:
		return errMasked
	case h.masked == d.Client:
		return errUnmasked
	}
	switch h.op {
	case Close, Ping, Pong:
		if h.compressed {
			return errReserved
		}
		if !h.fin || h.length > MaxControl {
			return errControl
		}
	case Text, Binary:
		if d.message != Continuation {
			return errInterleaved
		}
		if h.compressed && d.Inflater == nil {
			return errReserved
		}
		d.message, d.deflated = h.op, h.compressed
		d.text = textCheck{}
	case Continuation:
		if d.message == Continuation {
			return errContinuation
		}
		if h.compressed {
			return errReserved
		}
	default:
		return errOpcode
	}
	if !h.op.isControl() && h.length > int64(d.room()) {
		return errMessageTooBig
	}
	d.frame, d.inFrame = *h, true
	return nil
}

// room returns how many bytes the message under way may still have. Compressed
// data can be somewhat longer than what it stands for.
func (d *Decoder) room() int {
	limit := d.Limit
	if d.deflated {
		limit += limit>>8 + 64
	}
	if d.buf == nil {
		return limit
	}
	return limit - len(d.buf.p)
}

func (d *Decoder) onControl(part []byte) Event {
	if d.inFrame || d.control != nil {
		if d.control == nil {
			d.control = new([]byte)
		}
		*d.control = append(*d.control, part...)
		part = *d.control
	}
	if d.inFrame {
		return Event{}
	}
	d.control = nil
	return Event{d.frame.op, part}
}

func (d *Decoder) onData(part []byte) (Event, error) {
	complete := !d.inFrame && d.frame.fin
	if d.buf == nil && complete && !d.deflated {
		op := d.message
		d.message = Continuation
		if op == Text && !validText(part) {
			return Event{}, errText
		}
		return Event{op, part}, nil
	}
	if len(part) > 0 || complete {
		d.keep(part)
	}
	switch {
	case d.deflated && !complete:
		return Event{}, nil
	case d.deflated:
		return d.inflate()
	case d.message == Text && !d.text.add(part):
		return Event{}, errText
	case !complete:
		return Event{}, nil
	case d.message == Text && !d.text.complete():
		return Event{}, errText
	}
	return d.lend(), nil
}

// inflate begins to decompress the message that is complete.
func (d *Decoder) inflate() (Event, error) {
	d.unpacker, d.unpacked = d.Inflater.begin(d.buf), takeBuffer()
	return d.unpack()
}

// unpack decompresses the next piece of a message.
func (d *Decoder) unpack() (Event, error) {
	from := len(d.unpacked.p)
	if from > 0 { // most messages are shorter
		d.unpacked = d.unpacked.grow(unpackStep, d.Limit+unpackStep)
	}
	out, complete, err := d.Inflater.step(d.unpacker, d.unpacked.p, d.Limit, unpackStep)
	d.unpacked.p = out
	d.worked = len(out) - from
	switch {
	case err != nil:
		d.Discard()
		return Event{}, err
	case d.message == Text && (!d.text.add(out[from:]) || complete && !d.text.complete()):
		d.Discard()
		return Event{}, errText
	case !complete:
		return Event{}, nil
	}
	d.buf.giveBack()
	d.buf = d.unpacked
	d.unpacked = nil
	d.unpacker.giveBack()
	d.unpacker = nil
	return d.lend(), nil
}

// Unpacking tells whether a message that has come is not unpacked yet: Next is to be
// called again, even if there is no more input, and takes none until it is.
func (d *Decoder) Unpacking() bool { return d.unpacker != nil }

// Unpacked returns how many bytes the last call of Next has unpacked, which is what
// most of its time goes to.
func (d *Decoder) Unpacked() int { return d.worked }

// tinyFragment is from how many bytes on a fragment says something.
const tinyFragment = 16

// Idle returns how many frames the last call of Next has read of which nothing comes:
// pings, pongs, and fragments with next to no content. Whoever reads bounds their number.
func (d *Decoder) Idle() int { return d.idle }

// lend ends the message, whose buffer is the caller's until the next call.
func (d *Decoder) lend() Event {
	op := d.message
	d.message = Continuation
	d.lent = true
	return Event{op, d.buf.p}
}

func (d *Decoder) keep(part []byte) {
	if d.buf == nil {
		d.buf = takeBuffer()
	}
	d.buf = d.buf.grow(len(part), len(d.buf.p)+d.room()+len(endTail))
	d.buf.p = append(d.buf.p, part...)
}

func (d *Decoder) release() {
	d.lent = false
	d.buf.giveBack()
	d.buf = nil
}

// Held returns how many bytes of memory a message under way occupies.
func (d *Decoder) Held() int {
	n := 0
	if d.buf != nil {
		n = d.buf.memory()
	}
	if d.unpacker != nil {
		n += d.unpacked.memory() + unpackerSize
	}
	return n
}

// Rest lets go of the buffer of the last event, so that a connection which waits
// for its peer holds none.
func (d *Decoder) Rest() {
	if d.lent {
		d.release()
	}
}

// Discard lets go of all that is held. The Decoder is not used any more.
func (d *Decoder) Discard() {
	if d.unpacker != nil {
		d.unpacker.giveBack()
		d.unpacked.giveBack()
		d.unpacker, d.unpacked = nil, nil
	}
	if d.buf != nil {
		d.release()
	}
	d.control = nil
}
