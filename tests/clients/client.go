// usage: client TARGET    (see README.md)
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"log"
	"net"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/golang/protobuf/jsonpb"
	"github.com/golang/protobuf/proto"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	control "remora/v1"
)

type step struct {
	RPC     string          `json:"rpc"`
	Request json.RawMessage `json:"request"`
}

type result struct {
	Code     string          `json:"code"`
	Message  string          `json:"message,omitempty"`
	Details  []byte          `json:"details,omitempty"`
	Response json.RawMessage `json:"response,omitempty"`
}

// The names that the other clients print.
var names = map[codes.Code]string{
	codes.InvalidArgument: "INVALID_ARGUMENT", codes.NotFound: "NOT_FOUND", codes.AlreadyExists: "ALREADY_EXISTS",
}

func failed(err error) result {
	state := status.Convert(err)
	details, marshalError := proto.Marshal(state.Proto())
	if marshalError != nil {
		log.Fatal(marshalError)
	}
	name, known := names[state.Code()]
	if !known {
		name = state.Code().String()
	}
	return result{Code: name, Message: state.Message(), Details: details}
}

func call(client control.ControlClient, s step) result {
	method := reflect.ValueOf(client).MethodByName(s.RPC)
	request := reflect.New(method.Type().In(1).Elem())
	if err := jsonpb.Unmarshal(bytes.NewReader(s.Request), request.Interface().(proto.Message)); err != nil {
		log.Fatalf("%s: %v", s.RPC, err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	answer := method.Call([]reflect.Value{reflect.ValueOf(ctx), request})
	if err, bad := answer[1].Interface().(error); bad {
		return failed(err)
	}
	text, err := (&jsonpb.Marshaler{OrigName: true, EmitDefaults: true}).MarshalToString(
		answer[0].Interface().(proto.Message))
	if err != nil {
		log.Fatal(err)
	}
	return result{Code: "OK", Response: json.RawMessage(text)}
}

func main() {
	path := strings.TrimPrefix(os.Args[1], "unix:")
	connection, err := grpc.Dial("localhost", grpc.WithInsecure(),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}))
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	client := control.NewControlClient(connection)
	output := json.NewEncoder(os.Stdout)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var s step
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			log.Fatal(err)
		}
		if err := output.Encode(call(client, s)); err != nil {
			log.Fatal(err)
		}
	}
}
