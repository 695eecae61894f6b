"""usage: client.py GENERATED TARGET    (see README.md)"""
import base64
import json
import sys

generated, target = sys.argv[1:]
sys.path.insert(0, generated)

import grpc  # noqa: E402
from google.protobuf import json_format  # noqa: E402
from remora.v1 import control_pb2, control_pb2_grpc  # noqa: E402

METHODS = control_pb2.DESCRIPTOR.services_by_name["Control"].methods_by_name


def call(stub, step):
    request = getattr(control_pb2, METHODS[step["rpc"]].input_type.name)()
    json_format.ParseDict(step["request"], request)
    try:
        response = getattr(stub, step["rpc"])(request, timeout=10)
    except grpc.RpcError as error:
        details = dict(error.trailing_metadata()).get("grpc-status-details-bin", b"")
        return {"code": error.code().name, "message": error.details(),
                "details": base64.b64encode(details).decode()}
    return {"code": "OK", "response": json_format.MessageToDict(
        response, including_default_value_fields=True, preserving_proto_field_name=True)}


with grpc.insecure_channel(target, options=[("grpc.enable_http_proxy", 0)]) as channel:
    stub = control_pb2_grpc.ControlStub(channel)
    for line in sys.stdin:
        print(json.dumps(call(stub, json.loads(line))), flush=True)
