"""What Remora shows to others, as sorted lines: of protos, a schema, /metrics and a log. Pure."""
import os
import re
import subprocess
import tempfile

from google.protobuf import descriptor_pb2

HERE = os.path.dirname(os.path.abspath(__file__))
TYPES = {number: name.removeprefix("TYPE_").lower()
         for name, number in descriptor_pb2.FieldDescriptorProto.Type.items()}
REPEATED = descriptor_pb2.FieldDescriptorProto.LABEL_REPEATED


# ---- proto ----

def _of_enum(prefix, enum):
    return {f"value {prefix}.{enum.name}.{value.name} = {value.number}" for value in enum.value}


def _of_message(prefix, message):
    name = f"{prefix}.{message.name}"
    lines = set()
    for field in message.field:
        kind = field.type_name.lstrip(".") or TYPES[field.type]
        if field.label == REPEATED:
            kind = f"repeated {kind}"
        lines.add(f"field {name}.{field.name} = {field.number} {kind}")
    for nested in message.nested_type:
        lines |= _of_message(name, nested)
    for enum in message.enum_type:
        lines |= _of_enum(name, enum)
    return lines


def proto_surface(proto_dir, file="remora/v1/control.proto"):
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["protoc", f"-I{proto_dir}", f"--descriptor_set_out={out.name}", file],
                       check=True)
        files = descriptor_pb2.FileDescriptorSet.FromString(out.read()).file
    lines = set()
    for one in files:
        for message in one.message_type:
            lines |= _of_message(one.package, message)
        for enum in one.enum_type:
            lines |= _of_enum(one.package, enum)
        for service in one.service:
            for rpc in service.method:
                answer = ("stream " if rpc.server_streaming else "") + rpc.output_type.lstrip(".")
                lines.add(f"rpc {one.package}.{service.name}.{rpc.name} "
                          f"{rpc.input_type.lstrip('.')} -> {answer}")
    return lines


# ---- configuration ----

def config_surface(schema, path=""):
    """The keys of a JSON Schema: `pools[].timeouts.connect`."""
    lines = set()
    for key, child in schema.get("properties", {}).items():
        below = f"{path}.{key}" if path else key
        lines |= {below} | config_surface(child, below)
    if isinstance(schema.get("items"), dict):
        lines |= config_surface(schema["items"], f"{path}[]")
    for form in schema.get("anyOf", []):
        lines |= config_surface(form, path)
    return lines


# ---- metrics ----

SAMPLE = re.compile(r"^([a-z_]+)(?:\{(.*)\})? \S+$")
LABEL = re.compile(r'([a-z_]+)="(?:[^"\\]|\\.)*"')


def metrics_surface(text):
    """`type name labels`; of a metric without samples only `type name`."""
    types, labels = {}, {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split()
            types[name] = kind
        elif match := SAMPLE.match(line):
            name = re.sub(r"_(bucket|sum|count)$", "", match.group(1))
            name = name if types.get(name) == "histogram" else match.group(1)
            labels.setdefault(name, set()).update(LABEL.findall(match.group(2) or ""))
    return {" ".join([kind, name, *sorted(labels.get(name, set()) - {"le"})])
            for name, kind in types.items()}


def metrics_broken(promised, found):
    """Those that are gone, have another type, or lack a label on their samples."""
    by_name = {line.split()[1]: line.split() for line in found}
    broken = set()
    for line in promised:
        kind, name, *labels = line.split()
        has = by_name.get(name)
        if has is None or has[0] != kind or (has[2:] and not set(labels) <= set(has[2:])):
            broken.add(line)
    return broken


def metrics_added(promised, found):
    names = {line.split()[1] for line in promised}
    return {line for line in found if line.split()[1] not in names}


# ---- the lists ----

def read(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as file:
        return {line.rstrip("\n") for line in file if line.strip() and not line.startswith("#")}


def add(name, lines):
    """Adds lines to a list, whose comments stay at its top."""
    path = os.path.join(HERE, name)
    with open(path, encoding="utf-8") as file:
        comments = [line for line in file if line.startswith("#")]
    key = (lambda line: line.split()[1]) if name == "metrics.txt" else None
    everything = sorted(read(name) | lines, key=key)
    with open(path, "w", encoding="utf-8") as file:
        file.writelines([*comments, *(line + "\n" for line in everything)])
