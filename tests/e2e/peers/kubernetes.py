"""An API server of Kubernetes as far as EndpointSlices go: lists in pages, watches with resume and
bookmarks, 410 for what was compacted, a token, TLS. It runs an asyncio loop on a thread of its own.
"""
import asyncio
import json
import os
import socket
import ssl
import subprocess
import threading
from urllib.parse import parse_qs, urlsplit

LABEL = "kubernetes.io/service-name"


def make_certificates(directory, names="IP:127.0.0.1"):
    """A CA and a certificate of it for the server: ca.crt, server.crt, server.key."""
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=test CA",
            "-days", "2")
    openssl("req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=server")
    with open(os.path.join(directory, "extensions"), "w", encoding="ascii") as file:
        file.write(f"subjectAltName={names}\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
            "-CAcreateserial", "-out", "server.crt", "-days", "2", "-extfile", "extensions")


def endpoint(address, ready=True, **more):
    conditions = {"ready": ready, "serving": more.pop("serving", ready),
                  "terminating": more.pop("terminating", False)}
    return {"addresses": [address], "conditions": conditions, **more}


class Kubernetes:
    def __init__(self, directory, token="secret"):
        self.directory = os.path.join(directory, "kubernetes")
        os.makedirs(self.directory)
        make_certificates(self.directory)
        self.token = token
        self.page_size = None  # at most this many items in a page, whatever is asked for
        self.gone_as_status = False  # 410 as the answer, else as an event of the stream
        self.requests = []  # (kind, resourceVersion or "") of each
        self._version = 100
        self._compacted = 0
        self._slices = {}  # (namespace, name) -> object
        self._history = []  # (version, type, object)
        self._writers = set()
        self._port = 0
        self._server = None
        self._loop = asyncio.new_event_loop()
        self._changed = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.up()

    # ---- what tests do ----

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)

    def up(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(self.directory, "server.crt"),
                                os.path.join(self.directory, "server.key"))

        async def listen():
            self._server = await asyncio.start_server(
                self._serve, "127.0.0.1", self._port, ssl=context, family=socket.AF_INET,
                reuse_address=True)
            self._port = self._server.sockets[0].getsockname()[1]
        self._run(listen())

    def down(self):
        async def close():
            self._server.close()
            self._abort()
        self._run(close())

    def cut(self):
        """Every connection, without a word."""
        async def abort():
            self._abort()
        self._run(abort())

    def _abort(self):
        for writer in list(self._writers):
            writer.transport.abort()

    def shut(self):
        self.down()

        async def end():
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self._run(end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def put(self, name, endpoints, service="web", namespace="default", ports=None, type="IPv4"):
        """Adds or changes a slice."""
        self._happens(namespace, name, {
            "metadata": {"name": name, "namespace": namespace, "labels": {LABEL: service}},
            "addressType": type, "endpoints": endpoints,
            "ports": ports or [{"name": "http", "protocol": "TCP", "port": 80}]})

    def delete(self, name, namespace="default"):
        self._happens(namespace, name, None)

    def bookmark(self):
        """To every watch, and with a version that no slice has."""
        async def do():
            self._version += 10
            self._append("BOOKMARK", {"metadata": {}})
        self._run(do())

    def compact(self):
        """What has happened so far can't be watched any more."""
        async def do():
            self._version += 1
            self._compacted = self._version
            self._history.clear()
        self._run(do())

    def _happens(self, namespace, name, slice):
        async def do():
            self._version += 1
            key = (namespace, name)
            if slice is None:
                self._append("DELETED", self._slices.pop(key))
            else:
                kind = "MODIFIED" if key in self._slices else "ADDED"
                self._slices[key] = slice
                self._append(kind, slice)
        self._run(do())

    def _append(self, kind, object):
        version = str(self._version)
        object = {**object, "metadata": {**object["metadata"], "resourceVersion": version}}
        self._history.append((self._version, kind, object))
        self._changed.set()
        self._changed = asyncio.Event()

    def kubeconfig(self, **user):
        """The path of a file for KUBECONFIG."""
        path = os.path.join(self.directory, "config")
        config = {
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "clusters": [{"name": "test", "cluster": {
                "server": f"https://127.0.0.1:{self._port}", "certificate-authority": "ca.crt"}}],
            "users": [{"name": "test", "user": user or {"token": self.token}}]}
        with open(path, "w", encoding="utf-8") as file:
            json.dump(config, file)
        return path

    def count(self, kind):
        return sum(1 for one, _ in list(self.requests) if one == kind)

    # ---- what it answers ----

    async def _serve(self, reader, writer):
        self._writers.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.decode("ascii").split("\r\n")
                method, target, _ = lines[0].split(" ")
                fields = dict(line.split(": ", 1) for line in lines[1:] if line)
                assert method == "GET"
                await self._answer(urlsplit(target), fields, writer)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, target, fields, writer):
        query = {key: values[0] for key, values in parse_qs(target.query).items()}
        if fields.get("Authorization") != f"Bearer {self.token}":
            self.requests.append(("refused", ""))
            return await self._document(writer, 401, {"kind": "Status", "message": "Unauthorized"})
        parts = target.path.split("/")
        assert parts[:5] == ["", "apis", "discovery.k8s.io", "v1", "namespaces"], target.path
        assert parts[6:] == ["endpointslices"], target.path
        label, _, service = query["labelSelector"].partition("=")
        assert label == LABEL

        def matches(slice):
            metadata = slice["metadata"]
            return metadata["namespace"] == parts[5] and metadata["labels"][LABEL] == service
        if query.get("watch") == "true":
            self.requests.append(("watch", query["resourceVersion"]))
            await self._watch(writer, query, matches)
        else:
            self.requests.append(("list", ""))
            await self._list(writer, query, matches)

    async def _list(self, writer, query, matches):
        items = [slice for _, slice in sorted(self._slices.items()) if matches(slice)]
        start = int(query.get("continue", 0))
        end = start + min(int(query["limit"]), self.page_size or 500)
        metadata = {"resourceVersion": str(self._version)}
        if end < len(items):
            metadata["continue"] = str(end)
        await self._document(writer, 200, {"kind": "EndpointSliceList", "metadata": metadata,
                                           "items": items[start:end]})

    async def _watch(self, writer, query, matches):
        version = int(query["resourceVersion"])
        gone = {"kind": "Status", "code": 410, "message": "too old resource version"}
        if version < self._compacted and self.gone_as_status:
            return await self._document(writer, 410, gone)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                     b"Transfer-Encoding: chunked\r\n\r\n")
        deadline = self._loop.time() + int(query["timeoutSeconds"])
        while True:
            changed = self._changed
            if version < self._compacted:
                await self._event(writer, "ERROR", gone)
                break
            for at, kind, object in self._history:
                if at > version and (kind == "BOOKMARK" or matches(object)):
                    await self._event(writer, kind, object)
                version = max(version, at)
            try:
                await asyncio.wait_for(changed.wait(), deadline - self._loop.time())
            except asyncio.TimeoutError:
                break
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    @staticmethod
    async def _event(writer, kind, object):
        line = json.dumps({"type": kind, "object": object}).encode() + b"\n"
        # In two pieces, as nothing says that an event is a chunk.
        for piece in (line[:len(line) // 2], line[len(line) // 2:]):
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await writer.drain()

    @staticmethod
    async def _document(writer, status, document):
        body = json.dumps(document).encode()
        writer.write(b"HTTP/1.1 %d Status\r\nContent-Type: application/json\r\n"
                     b"Content-Length: %d\r\n\r\n%s" % (status, len(body), body))
        await writer.drain()
