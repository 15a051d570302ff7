package marshal

// Walker reads one value of tuples and lists of any nesting, in order and in
// place. Next returns each object; after a Tuple or List of n elements, the
// next n objects are its elements. References are followed, so that the reader
// need not know of them. The zero value is ready for Reset, and is to be
// reused: it keeps its table.
type Walker struct {
	r      reader
	refs   []int // offsets of the type bytes that entered the table
	fresh  int   // objects that start below this offset are in the table already
	left   int   // objects that may still be returned
	data   int   // bytes of Str and Bytes, the same
	levels [MaxDepth]level
	depth  int
}

// level is a container that was begun.
type level struct {
	remaining int
	back      int // where to go on after a container that was a reference; else -1
}

// Reset begins reading in, which must not change while views into it are used.
// objects bounds those returned, and data the bytes of all Str and Bytes among them, so
// that references cannot make a small input long.
func (w *Walker) Reset(in []byte, objects, data int) {
	w.r = reader{in: in}
	w.refs = w.refs[:0]
	w.fresh, w.left, w.data, w.depth = 0, objects, data, 0
}

// Next reads the next object into v.
func (w *Walker) Next(v *Value) error {
	if w.left--; w.left < 0 {
		return w.r.fail("too many objects")
	}
	back := -1
	t, err := w.typeByte()
	if err != nil {
		return err
	}
	if t == typeRef {
		if t, back, err = w.follow(); err != nil {
			return err
		}
	}
	if err := w.r.head(t, v); err != nil {
		return err
	}
	if v.Kind == Str || v.Kind == Bytes {
		if w.data -= len(v.Data); w.data < 0 {
			return w.r.fail("too much text and bytes")
		}
	}
	return w.place(v, back)
}

// typeByte reads a type byte and enters the object into the table.
func (w *Walker) typeByte() (byte, error) {
	if w.r.pos >= len(w.r.in) {
		return 0, w.r.fail("cut short")
	}
	t := w.r.in[w.r.pos]
	if t&flagRef != 0 {
		// Going over a referenced container again must not enter its
		// elements again.
		if w.r.pos >= w.fresh {
			w.refs = append(w.refs, w.r.pos)
		}
		t &^= flagRef
	}
	w.r.pos++
	w.fresh = max(w.fresh, w.r.pos)
	return t, nil
}

// follow reads a reference and moves to the object it means.
func (w *Walker) follow() (t byte, back int, err error) {
	i, err := w.r.uint32()
	if err != nil {
		return 0, 0, err
	}
	w.fresh = max(w.fresh, w.r.pos)
	if uint64(i) >= uint64(len(w.refs)) {
		return 0, 0, w.r.fail("reference to nothing")
	}
	back = w.r.pos
	w.r.pos = w.refs[i]
	t = w.r.in[w.r.pos] &^ flagRef
	w.r.pos++
	return t, back, nil
}

// place counts the object within its container, and begins or ends containers.
func (w *Walker) place(v *Value, back int) error {
	switch v.Kind {
	case Dict, null:
		return w.r.fail("dict where none is expected")
	case Tuple, List:
		if v.Int > 0 {
			if w.depth == MaxDepth {
				return w.r.fail("nested too deep")
			}
			w.levels[w.depth] = level{int(v.Int), back}
			w.depth++
			return nil
		}
	}
	if back >= 0 {
		w.r.pos = back
	}
	for w.depth > 0 {
		top := &w.levels[w.depth-1]
		if top.remaining--; top.remaining > 0 {
			break
		}
		if top.back >= 0 {
			w.r.pos = top.back
		}
		w.depth--
	}
	return nil
}

// Skip reads past the elements of a Tuple or List just returned, or does
// nothing for another value.
func (w *Walker) Skip(v *Value) error {
	if v.Kind != Tuple && v.Kind != List || v.Int == 0 {
		return nil
	}
	var e Value
	for outer := w.depth; w.depth >= outer; {
		if err := w.Next(&e); err != nil {
			return err
		}
	}
	return nil
}

// End returns an error unless the whole value and the whole input were read.
func (w *Walker) End() error {
	if w.depth != 0 || w.r.pos != len(w.r.in) {
		return w.r.fail("not the end")
	}
	return nil
}
