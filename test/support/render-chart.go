// Renders a chart as `helm template` does, with what Helm itself is made of: Go's text/template and Sprig, of which
// Debian has packages. `go run render.go CHART RELEASE NAMESPACE < values.json` prints all manifests, and with NOTES as a
// fourth argument the notes alone. Charts that it depends on are not rendered.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig"
	"github.com/ghodss/yaml"
)

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3], len(os.Args) > 4); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(chart, release, namespace string, notes bool) error {
	values := map[string]interface{}{}
	if err := readYAML(filepath.Join(chart, "values.yaml"), &values); err != nil {
		return err
	}
	given := map[string]interface{}{}
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(input, &given); err != nil {
		return err
	}
	merge(values, given)
	about := map[string]interface{}{}
	if err := readYAML(filepath.Join(chart, "Chart.yaml"), &about); err != nil {
		return err
	}
	root := map[string]interface{}{
		"Values":       values,
		"Release":      map[string]interface{}{"Name": release, "Namespace": namespace, "Service": "Helm", "IsInstall": true, "Revision": 1},
		"Chart":        upperFirst(about),
		"Files":        Files(chart),
		"Capabilities": map[string]interface{}{"KubeVersion": map[string]interface{}{"Version": "v1.31.0"}},
	}
	files, err := filepath.Glob(filepath.Join(chart, "templates", "*"))
	if err != nil {
		return err
	}
	all, err := parse(files)
	if err != nil {
		return err
	}
	for _, file := range files {
		name := filepath.Base(file)
		if strings.HasPrefix(name, "_") || (name == "NOTES.txt") != notes {
			continue
		}
		var out strings.Builder
		if err := all.ExecuteTemplate(&out, name, root); err != nil {
			return err
		}
		fmt.Printf("---\n# Source: %s\n%s\n", name, strings.ReplaceAll(out.String(), "<no value>", ""))
	}
	return nil
}

// Files of the chart, as templates see them.
type Files string

func (chart Files) Get(name string) (string, error) {
	text, err := os.ReadFile(filepath.Join(string(chart), name))
	return string(text), err
}

// Files as templates, with the functions that Helm adds to Sprig's.
func parse(files []string) (*template.Template, error) {
	all := template.New("chart").Option("missingkey=zero")
	functions := sprig.TxtFuncMap()
	delete(functions, "env")
	delete(functions, "expandenv")
	functions["toYaml"] = func(value interface{}) (string, error) {
		text, err := yaml.Marshal(value)
		return strings.TrimSuffix(string(text), "\n"), err
	}
	functions["include"] = func(name string, data interface{}) (string, error) {
		var out strings.Builder
		err := all.ExecuteTemplate(&out, name, data)
		return out.String(), err
	}
	all.Funcs(functions)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if _, err := all.New(filepath.Base(file)).Parse(string(text)); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func readYAML(file string, into *map[string]interface{}) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return yaml.Unmarshal(text, into)
}

// As Helm lays given values over a chart's own: maps are merged, null takes a key away, all else replaces.
func merge(into, from map[string]interface{}) {
	for key, value := range from {
		old, oldMap := into[key].(map[string]interface{})
		new, newMap := value.(map[string]interface{})
		if value == nil {
			delete(into, key)
		} else if oldMap && newMap {
			merge(old, new)
		} else {
			into[key] = value
		}
	}
}

// Chart.yaml's keys as templates name them: `.Chart.AppVersion`.
func upperFirst(from map[string]interface{}) map[string]interface{} {
	to := map[string]interface{}{}
	for key, value := range from {
		to[strings.ToUpper(key[:1])+key[1:]] = value
	}
	return to
}
