package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"log"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
	vimxml "github.com/vmware/govmomi/vim25/xml"
)

// vcenter stands in front of govmomi's simulator: it knows who may do what, answers what real vSphere answers
// differently, counts the requests, and can be made to fail.
type vcenter struct {
	scenario *Scenario
	inner    http.Handler
	rest     http.Handler

	deploying sync.Mutex // one deployment of a library's item after the other

	mu        sync.Mutex
	sessions  map[string]string // cookie to user
	calls     map[string]int
	planned   []failure
	cancelled map[types.ManagedObjectReference]bool
	pages     map[string]rest
	epoch     int       // counts restarts: a task of an earlier one is lost
	down      time.Time // until then every connection is cut
}

// failure is one answer that is a fault, asked for by a test.
type failure struct {
	Method string `json:"method"`
	Fault  string `json:"fault"` // name of its type
	XML    string `json:"xml"`   // the inside of it
	Cut    bool   `json:"cut"`   // cut the connection after the request was carried out
}

const cookieName = "vmware_soap_session"

func (v *vcenter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case len(r.URL.Path) > 9 && r.URL.Path[:9] == "/control/":
		v.control(w, r)
	case v.isDown():
		cut(w)
	case r.URL.Path == "/sdk/vimServiceVersions.xml":
		v.versions(w)
	case r.URL.Path == "/sdk":
		v.soap(w, r)
	case strings.HasPrefix(r.URL.Path, "/rest/"), strings.HasPrefix(r.URL.Path, "/api/"):
		v.automation(w, r)
	default:
		v.inner.ServeHTTP(w, r)
	}
}

func (v *vcenter) isDown() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return time.Now().Before(v.down)
}

func cut(w http.ResponseWriter) {
	if hijacker, is := w.(http.Hijacker); is {
		if connection, _, err := hijacker.Hijack(); err == nil {
			connection.Close()
		}
	}
}

func (v *vcenter) versions(w http.ResponseWriter) {
	fmt.Fprintf(w, xml.Header+`<namespaces version="1.0"><namespace><name>urn:vim25</name><version>%s</version><priorVersions>`,
		v.scenario.API)
	for _, prior := range v.scenario.Prior {
		fmt.Fprintf(w, "<version>%s</version>", prior)
	}
	fmt.Fprint(w, "</priorVersions></namespace></namespaces>")
}

// open are the methods that need no session.
var open = map[string]bool{"RetrieveServiceContent": true, "Login": true}

func (v *vcenter) soap(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	method, err := simulator.UnmarshalBody(types.TypeFunc(), body)
	if err != nil {
		answerFault(w, "InvalidRequest", "")
		return
	}
	user, known := v.begin(method.Name, r)
	r.Body = io.NopCloser(bytes.NewReader(body))
	if !known && !open[method.Name] {
		answerFault(w, "NotAuthenticated", noPermission(method.This, "System.View"))
		return
	}
	planned := v.takeFailure(method.Name)
	if planned != nil && !planned.Cut {
		v.fail(w, method, planned)
		return
	}
	if missing := v.missing(user, method); missing != "" {
		answerFault(w, "NoPermission", noPermission(method.This, missing))
		return
	}
	recorder := w
	if planned != nil {
		recorder = &nowhere{header: http.Header{}}
	}
	switch {
	case method.Name == "Login":
		v.login(recorder, r, method)
	case method.Name == "RetrievePropertiesEx" && v.scenario.PageSize > 0:
		v.firstPage(recorder, r)
	case method.Name == "ContinueRetrievePropertiesEx" && v.scenario.PageSize > 0:
		v.nextPage(recorder, r, method.Body.(*types.ContinueRetrievePropertiesEx).Token)
	default:
		if run := v.own(method); run != nil {
			run(recorder)
		} else {
			v.inner.ServeHTTP(recorder, r)
		}
	}
	if planned != nil {
		cut(w)
	}
}

type nowhere struct{ header http.Header }

func (n *nowhere) Header() http.Header         { return n.header }
func (n *nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (n *nowhere) WriteHeader(int)             {}

func (v *vcenter) begin(name string, r *http.Request) (string, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.calls[name]++
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return "", false
	}
	user, known := v.sessions[cookie.Value]
	if !known {
		r.Header.Del("Cookie") // the simulator behind would still know it
	}
	return user, known
}

func (v *vcenter) login(w http.ResponseWriter, r *http.Request, method *simulator.Method) {
	req := method.Body.(*types.Login)
	user, known := v.scenario.Users[req.UserName]
	if !known || user.Password != req.Password {
		answerFault(w, "InvalidLogin", "")
		return
	}
	v.inner.ServeHTTP(w, r)
	for _, cookie := range (&http.Response{Header: w.Header()}).Cookies() {
		v.mu.Lock()
		v.sessions[cookie.Value] = req.UserName
		v.mu.Unlock()
	}
}

func (v *vcenter) takeFailure(name string) *failure {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, f := range v.planned {
		if f.Method == name {
			v.planned = append(v.planned[:i:i], v.planned[i+1:]...)
			return &f
		}
	}
	return nil
}

// fail answers with a fault: a method that starts a task gives a task that fails.
func (v *vcenter) fail(w http.ResponseWriter, method *simulator.Method, f *failure) {
	const suffix = "_Task"
	n := len(method.Name) - len(suffix)
	if n < 0 || method.Name[n:] != suffix || f.Fault == "NoPermission" {
		answerFault(w, f.Fault, f.XML)
		return
	}
	kind, known := types.TypeFunc()(f.Fault)
	if !known {
		log.Fatalf("no such fault: %s", f.Fault)
	}
	value := reflect.New(kind)
	decoder := vimxml.NewDecoder(bytes.NewBufferString("<fault xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">" +
		f.XML + "</fault>"))
	decoder.TypeFunc = types.TypeFunc()
	if err := decoder.Decode(value.Interface()); err != nil {
		log.Fatalf("fault %s: %s", f.Fault, err)
	}
	target := simulator.Map.Get(method.This)
	answerTask(w, method.Name, runTask(target, method.Name, func(*simulator.Task) (types.AnyType, fault) {
		return nil, value.Interface().(fault)
	}))
}

func noPermission(object types.ManagedObjectReference, privilege string) string {
	return fmt.Sprintf(`<object type="%s">%s</object><privilegeId>%s</privilegeId>`, object.Type, object.Value, privilege)
}

const envelope = xml.Header + `<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" ` +
	`xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` +
	`<soapenv:Body>%s</soapenv:Body></soapenv:Envelope>`

func answerFault(w http.ResponseWriter, kind, inside string) {
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(http.StatusInternalServerError)
	fmt.Fprintf(w, envelope, fmt.Sprintf(
		`<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>%s</faultstring><detail>`+
			`<%sFault xmlns="urn:vim25" xsi:type="%s">%s</%sFault></detail></soapenv:Fault>`,
		kind, kind, kind, inside, kind))
}

func answerTask(w http.ResponseWriter, method string, ref types.ManagedObjectReference) {
	w.Header().Set("Content-Type", "text/xml")
	fmt.Fprintf(w, envelope, fmt.Sprintf(
		`<%sResponse xmlns="urn:vim25"><returnval type="Task">%s</returnval></%sResponse>`, method, ref.Value, method))
}

// control is how a test asks for trouble and reads the counters.
func (v *vcenter) control(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch r.URL.Path {
	case "/control/calls":
		json.NewEncoder(w).Encode(v.calls)
		v.calls = map[string]int{}
	case "/control/expire":
		v.sessions = map[string]string{}
	case "/control/restart": // all sessions and tasks are lost, the inventory stays
		var seconds float64
		fmt.Sscanf(r.URL.Query().Get("seconds"), "%f", &seconds)
		v.sessions = map[string]string{}
		v.epoch++
		v.down = time.Now().Add(time.Duration(seconds * float64(time.Second)))
	case "/control/fail":
		var f failure
		if err := json.NewDecoder(r.Body).Decode(&f); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		v.planned = append(v.planned, f)
	case "/control/clone-seconds":
		fmt.Sscanf(r.URL.Query().Get("seconds"), "%f", &v.scenario.CloneSeconds)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}
