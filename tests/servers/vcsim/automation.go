package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// The Automation API: govmomi's simulator of it speaks the older dialect (/rest); here are accounts, privileges, notes
// of deployed VMs, and the newer dialect (/api), which vSphere has since 7.0 U2.

const sessionHeader = "vmware-api-session-id"

// translated are paths of the newer dialect: what follows /api, the older path, and whether the body goes into "spec".
var translated = []struct {
	modern *regexp.Regexp
	older  string
	spec   bool
}{
	{regexp.MustCompile(`^/api/session$`), "/rest/com/vmware/cis/session", false},
	{regexp.MustCompile(`^/api/content/library$`), "/rest/com/vmware/content/library", true},
	{regexp.MustCompile(`^/api/content/library/item$`), "/rest/com/vmware/content/library/item", true},
	{regexp.MustCompile(`^/api/content/library/item/([^/]+)$`), "/rest/com/vmware/content/library/item/id:$1", true},
	{regexp.MustCompile(`^/api/content/library/([^/]+)$`), "/rest/com/vmware/content/library/id:$1", true},
	{regexp.MustCompile(`^/api/vcenter/ovf/library-item/([^/]+)$`), "/rest/com/vmware/vcenter/ovf/library-item/id:$1", false},
	{regexp.MustCompile(`^/api/vcenter/vm-template/library-items/([^/]+)$`), "/rest/vcenter/vm-template/library-items/$1", true},
}

var statuses = map[string]int{
	"UNAUTHENTICATED": 401, "UNAUTHORIZED": 403, "NOT_FOUND": 404, "INVALID_ARGUMENT": 400, "ALREADY_EXISTS": 400,
	"RESOURCE_BUSY": 500, "ERROR": 500,
}

func (v *vcenter) automation(w http.ResponseWriter, r *http.Request) {
	modern := strings.HasPrefix(r.URL.Path, "/api/")
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	sent := body
	if modern {
		if sent = v.older(r, body); sent == nil {
			w.WriteHeader(http.StatusNotFound)
			return
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(sent))
	if kind, said := v.refuseCall(r); kind != "" {
		restError(w, modern, kind, said)
		return
	}
	deploys := strings.Contains(r.URL.RawQuery, "action=deploy")
	var planned *failure
	if deploys {
		v.mu.Lock()
		v.calls["deploy"]++
		v.mu.Unlock()
		if planned = v.takeFailure("deploy"); planned != nil && !planned.Cut {
			restError(w, modern, planned.Fault, planned.XML)
			return
		}
	}
	inner := httptest.NewRecorder()
	if deploys {
		v.deploy(inner, r, sent)
	} else {
		v.rest.ServeHTTP(inner, r)
	}
	if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/content/library/item/") {
		inner = versioned(inner)
	}
	if inner.Code < 300 && strings.HasSuffix(r.URL.Path, "/cis/session") && r.Method == http.MethodPost {
		user, _, _ := r.BasicAuth()
		v.mu.Lock()
		v.sessions[unwrapped(inner.Body.Bytes())] = user
		v.mu.Unlock()
	}
	if planned != nil {
		cut(w)
		return
	}
	answer(w, inner, modern)
}

// versioned tells what govmomi's items do not have: the version of their files, and of all about them.
func versioned(answered *httptest.ResponseRecorder) *httptest.ResponseRecorder {
	var found struct {
		Value map[string]interface{} `json:"value"`
	}
	if json.Unmarshal(answered.Body.Bytes(), &found) != nil || found.Value == nil {
		return answered
	}
	found.Value["content_version"], found.Value["version"] = "2", "4"
	told := httptest.NewRecorder()
	told.Code = answered.Code
	json.NewEncoder(told).Encode(found)
	return told
}

// deploy makes a VM of an item: it takes its time, goes on when its client is gone, and refuses a name that is taken.
func (v *vcenter) deploy(w *httptest.ResponseRecorder, r *http.Request, sent []byte) {
	v.mu.Lock()
	seconds := v.scenario.CloneSeconds
	v.mu.Unlock()
	time.Sleep(time.Duration(seconds * float64(time.Second)))
	v.deploying.Lock()
	defer v.deploying.Unlock()
	wanted := deploymentOf(sent)
	folder := simulator.Map.Get(types.ManagedObjectReference{Type: "Folder", Value: wanted.folder}).(*simulator.Folder)
	if simulator.Map.FindByName(wanted.name, folder.ChildEntity) == nil {
		v.rest.ServeHTTP(w, r.WithContext(context.Background()))
		if w.Code < 300 {
			annotate(w.Body.Bytes(), wanted.notes)
		}
		return
	}
	taken := "The name '" + wanted.name + "' already exists."
	if !strings.Contains(r.URL.Path, "/ovf/") {
		w.WriteHeader(http.StatusConflict)
		w.WriteString(taken)
		return
	}
	said := map[string]interface{}{"messages": []map[string]string{{"id": "vim.fault.DuplicateName.summary", "default_message": taken}}}
	problem := map[string]interface{}{"category": "SERVER", "error": said}
	json.NewEncoder(w).Encode(map[string]interface{}{"value": map[string]interface{}{
		"succeeded": false, "error": map[string]interface{}{"errors": []interface{}{problem}},
	}})
}

// older makes of a request in the newer dialect one in the older, and gives its body; nil for what is not there.
func (v *vcenter) older(r *http.Request, body []byte) []byte {
	if older(v.scenario.API, "7.0.2") {
		return nil
	}
	for _, t := range translated {
		if !t.modern.MatchString(r.URL.Path) {
			continue
		}
		r.URL.Path = t.modern.ReplaceAllString(r.URL.Path, t.older)
		if strings.HasPrefix(r.URL.Path, "/rest/com/") {
			r.URL.RawQuery = strings.Replace(r.URL.RawQuery, "action=", "~action=", 1)
		}
		if !t.spec || len(body) == 0 {
			return append([]byte{}, body...)
		}
		return append(append([]byte(`{"spec":`), body...), '}')
	}
	return nil
}

// refuseCall gives the kind of error for a call that this account may not make; empty when it may.
func (v *vcenter) refuseCall(r *http.Request) (string, string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if strings.HasSuffix(r.URL.Path, "/cis/session") && r.Method == http.MethodPost {
		name, password, _ := r.BasicAuth()
		if user, known := v.scenario.Users[name]; !known || user.Password != password {
			return "UNAUTHENTICATED", "Authentication required."
		}
		return "", ""
	}
	if strings.Contains(r.URL.Path, "/cis/data/") {
		return "", ""
	}
	name, known := v.sessions[r.Header.Get(sessionHeader)]
	if !known {
		return "UNAUTHENTICATED", "This method requires authentication."
	}
	needs := []string{}
	switch {
	case !strings.Contains(r.URL.RawQuery, "action=deploy"):
	case strings.Contains(r.URL.Path, "/ovf/"):
		needs = []string{"VApp.Import", "Datastore.AllocateSpace", "Network.Assign"}
	default:
		needs = []string{"VirtualMachine.Provisioning.DeployTemplate", "VirtualMachine.Inventory.CreateFromExisting"}
	}
	user := v.scenario.Users[name]
	for _, privilege := range needs {
		if user.Privileges != nil && !contains(user.Privileges, privilege) {
			return "UNAUTHORIZED", "Unable to authorize user"
		}
	}
	return "", ""
}

func contains(all []string, one string) bool {
	for _, text := range all {
		if text == one {
			return true
		}
	}
	return false
}

type deployment struct{ name, folder, notes string }

// deploymentOf reads a request for a deployment, of an OVF or of a VM template.
func deploymentOf(sent []byte) deployment {
	var request struct {
		Deployment struct {
			Name       string `json:"name"`
			Annotation string `json:"annotation"`
		} `json:"deployment_spec"`
		Target struct {
			Folder string `json:"folder_id"`
		} `json:"target"`
		Spec struct {
			Name        string `json:"name"`
			Description string `json:"description"`
			Placement   struct {
				Folder string `json:"folder"`
			} `json:"placement"`
		} `json:"spec"`
	}
	json.Unmarshal(sent, &request)
	if request.Spec.Name != "" {
		return deployment{request.Spec.Name, request.Spec.Placement.Folder, request.Spec.Description}
	}
	return deployment{request.Deployment.Name, request.Target.Folder, request.Deployment.Annotation}
}

// annotate gives a deployed VM its notes.
func annotate(answered []byte, notes string) {
	var result struct {
		Value struct {
			Resource struct {
				ID string `json:"id"`
			} `json:"resource_id"`
		} `json:"value"`
	}
	id := unwrapped(answered)
	if json.Unmarshal(answered, &result) == nil {
		id = result.Value.Resource.ID
	}
	ref := types.ManagedObjectReference{Type: "VirtualMachine", Value: id}
	if vm, is := simulator.Map.Get(ref).(*simulator.VirtualMachine); is {
		vm.Config.Annotation = notes
	}
}

// unwrapped gives the text of {"value": text}.
func unwrapped(body []byte) string {
	var text struct {
		Value string `json:"value"`
	}
	json.Unmarshal(body, &text)
	return text.Value
}

func answer(w http.ResponseWriter, inner *httptest.ResponseRecorder, modern bool) {
	body := inner.Body.Bytes()
	if inner.Code >= 400 {
		kind := map[int]string{400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 404: "NOT_FOUND", 409: "ALREADY_EXISTS"}[inner.Code]
		if kind == "" {
			kind = "ERROR"
		}
		restError(w, modern, kind, strings.TrimSpace(string(body)))
		return
	}
	if modern {
		var wrapped struct {
			Value json.RawMessage `json:"value"`
		}
		json.Unmarshal(body, &wrapped)
		if body = wrapped.Value; body == nil && inner.Body.Len() > 0 {
			body = []byte("[]") // the older simulator leaves out what is empty
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(inner.Code)
	w.Write(body)
}

func restError(w http.ResponseWriter, modern bool, kind, said string) {
	messages := []map[string]interface{}{{"id": "vapi." + strings.ToLower(kind), "default_message": said, "args": []string{}}}
	var body interface{} = map[string]interface{}{"error_type": kind, "messages": messages}
	if !modern {
		body = map[string]interface{}{
			"type":  "com.vmware.vapi.std.errors." + strings.ToLower(kind),
			"value": map[string]interface{}{"messages": messages},
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(statuses[kind])
	json.NewEncoder(w).Encode(body)
}
