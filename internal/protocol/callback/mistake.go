package callback

import (
	"errors"
	"log/slog"

	"github.com/asteri/asteri-loop"
)

// Mistake logs cause if it is a mistake of the application in its response to r: one
// that it may not have seen, since it has only to let go of an error.
func Mistake(log *slog.Logger, cause error, r *asteri.Request) {
	var mistake *asteri.ResponseError
	if errors.As(cause, &mistake) {
		log.Error("the application's response cannot be sent", slog.Any("error", mistake), r.LogAttr())
	}
}
