// A vCenter for tests: govmomi's simulator made as strict as vSphere where nested virtualization is concerned.
//
//	vcsim -scenario FILE -cert FILE -key FILE
//
// It listens on a free port of the loopback address, by TLS, and prints the port.
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"

	"github.com/vmware/govmomi/simulator"
	vapi "github.com/vmware/govmomi/vapi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

func main() {
	path := flag.String("scenario", "", "JSON file; see scenario.go")
	certificate := flag.String("cert", "", "PEM file")
	key := flag.String("key", "", "PEM file")
	verbose := flag.Bool("verbose", false, "let the simulator log to stderr")
	flag.Parse()
	scenario, err := readScenario(*path)
	if err != nil {
		log.Fatal(err)
	}
	if !*verbose {
		log.SetOutput(io.Discard)
	}
	model, err := build(scenario)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	pair, err := tls.LoadX509KeyPair(*certificate, *key)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	service := model.Service
	service.Listen = &url.URL{Scheme: "https", Host: listener.Addr().String(), User: simulator.DefaultLogin}
	service.TLS = &tls.Config{}
	service.RegisterSDK(simulator.Map)
	service.ServeMux.HandleFunc("/nfc/", simulator.ServeNFC)
	sdk := *service.Listen
	sdk.Path = "/sdk"
	_, automation := vapi.New(&sdk, nil)
	server := &vcenter{
		scenario: scenario, inner: service.ServeMux, rest: automation,
		sessions: map[string]string{}, calls: map[string]int{}, cancelled: map[types.ManagedObjectReference]bool{},
		pages: map[string]rest{},
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	os.Stdout.Sync()
	go func() { // whoever started it holds its standard input
		io.Copy(io.Discard, os.Stdin)
		model.Remove()
		os.Exit(0)
	}()
	wrapped := tls.NewListener(listener, &tls.Config{Certificates: []tls.Certificate{pair}})
	fmt.Fprintln(os.Stderr, http.Serve(wrapped, server))
}
