package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/kuafu-rpc/kuafu/idl/schema"
	"github.com/kuafu-rpc/kuafu/runtime/client"
	"github.com/kuafu-rpc/kuafu/service/reflection"
)

func (a *app) listCommand() *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use:   "list ADDRESS [SERVICE]",
		Short: "List a server's services, or a service's methods",
		Long:  "list lists the services that a server has registered, or the methods of one of them. It asks the server's reflection service.",
		Example: `  kuafu list localhost:7000
  kuafu list localhost:7000 Greeter -o json`,
		Args: addressArgs(0, 1, "an address, and a service or none"),
		RunE: func(cmd *cobra.Command, args []string) error {
			t.address = args[0]
			ctx, err := t.context(cmd.Context())
			if err != nil {
				return err
			}
			conn, err := a.dial(ctx, &t, "Reflection")
			if err != nil {
				return err
			}
			defer conn.Close()
			ctx, cancel := context.WithTimeout(ctx, t.timeout)
			defer cancel()
			if len(args) == 2 {
				return a.listMethods(ctx, conn, args[1])
			}
			return a.listServices(ctx, conn)
		},
	}
	t.nativeFlags(cmd)
	return cmd
}

type jsonService struct {
	Name      string       `json:"name"`
	Ancestors []string     `json:"ancestors,omitempty"`
	File      string       `json:"file,omitempty"`
	Methods   []jsonMethod `json:"methods"`
}

type jsonMethod struct {
	Name        string            `json:"name"`
	Signature   string            `json:"signature,omitempty"`
	Oneway      bool              `json:"oneway,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

func newJSONService(info *reflection.ServiceInfo) jsonService {
	out := jsonService{Name: info.Name, Ancestors: info.Ancestors, File: info.File, Methods: []jsonMethod{}}
	for _, m := range info.Methods {
		out.Methods = append(out.Methods, jsonMethod{Name: m.Name, Oneway: m.Oneway, Annotations: m.Annotations})
	}
	return out
}

func (a *app) listServices(ctx context.Context, conn *client.Client) error {
	c := reflection.NewReflectionClient(conn)
	names, err := c.ListServices(ctx)
	if err != nil {
		return reflectionError(err)
	}
	pending := make([]*reflection.ReflectionGetServiceCall, 0, len(names))
	for _, name := range names {
		pending = append(pending, c.GetServiceAsync(ctx, name))
	}
	services := []jsonService{}
	for _, call := range pending {
		info, err := call.Wait(ctx)
		if err != nil {
			return reflectionError(err)
		}
		services = append(services, newJSONService(info))
	}
	if a.output == "json" {
		return a.printJSON(a.out, services)
	}
	var rows [][]string
	for _, s := range services {
		rows = append(rows, []string{s.Name, strconv.Itoa(len(s.Methods)), s.File})
	}
	return a.printTable([]string{"SERVICE", "METHODS", "IDL"}, rows)
}

func (a *app) listMethods(ctx context.Context, conn *client.Client, name string) error {
	c := reflection.NewReflectionClient(conn)
	info, err := c.GetService(ctx, name)
	if err != nil {
		return reflectionError(err)
	}
	out := newJSONService(info)
	// Signatures are in the IDL, which not every service has with it.
	if files, err := c.GetFiles(ctx, name); err == nil {
		if prog, _ := reflection.Load(files, schema.Options{}); findService(prog, name) != nil {
			s := findService(prog, name)
			for i := range out.Methods {
				if f, _ := findFunction(s, out.Methods[i].Name); f != nil {
					out.Methods[i].Signature = signature(f)
				}
			}
		}
	}
	if a.output == "json" {
		return a.printJSON(a.out, out)
	}
	var rows [][]string
	for _, m := range out.Methods {
		sig := m.Signature
		if sig == "" {
			sig = m.Name
		}
		rows = append(rows, []string{sig, annotationText(m)})
	}
	return a.printTable([]string{"METHOD", "ANNOTATIONS"}, rows)
}

func annotationText(m jsonMethod) string {
	var parts []string
	for _, name := range []string{"retry", "timeout", "priority", "compress"} {
		if v, ok := m.Annotations[name]; ok {
			parts = append(parts, name+"="+v)
		}
	}
	return strings.Join(parts, " ")
}
