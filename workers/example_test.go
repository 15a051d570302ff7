package workers_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http1"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/workers"
	"github.com/asteri/asteri-loop/workers/nethttp"
)

// A handler of the gtornado model starts on the event loop. What it may wait for
// there are the methods of its call; a slow function goes into Await.
func ExampleGTornado() {
	app := workers.GTornado(workers.HandlerFunc(func(c *workers.Call) {
		var answer string
		if err := c.Await(func() { answer = slowQuery(string(c.Request().Query)) }); err != nil {
			return // the client has gone
		}
		_ = c.Respond(200, nil, []byte(answer))
	}), workers.Options{})
	defer app.Close()

	url, stop := start(app)
	defer stop()
	fmt.Println(get(url + "/?six"))
	// Output: SIX
}

func slowQuery(q string) string {
	time.Sleep(time.Millisecond)
	return strings.ToUpper(q)
}

// A net/http handler under the gthread model.
func ExampleGThread() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /hello/{name}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello, %s!", r.PathValue("name"))
	})
	app := workers.GThread(nethttp.Handler(mux), workers.Options{Workers: 2, Threads: 4})

	url, stop := start(app)
	defer stop()
	fmt.Println(get(url + "/hello/asteri"))
	// Output: Hello, asteri!
}

// start serves app on a free port.
func start(app asteri.Handler) (url string, stop func()) {
	engine, err := loop.New(loop.Config{})
	if err != nil {
		log.Fatal(err)
	}
	listener, err := engine.ListenWith(loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{http1.Protocol(app)}})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error)
	go func() { stopped <- engine.Run(ctx) }()
	return "http://" + listener.Addr().String(), func() {
		cancel()
		if err := <-stopped; err != nil {
			log.Fatal(err)
		}
	}
}

func get(url string) string {
	res, err := http.Get(url)
	if err != nil {
		log.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil {
		log.Fatal(err)
	}
	return string(body)
}
