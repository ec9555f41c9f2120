"""An HTTPS server that writes down what it was sent and answers as it is told to: the far end of the HTTPS uplink.

    python tests/peers/https_server.py --certificate S.pem --key S.key --log FILE      prints its port

Each request is a line of JSON in FILE (method, path, headers with small letters, body as base64), written before
anything is answered. How it behaves can be changed by a line of the options on its standard input, answered "ok":

    --status 503 --header "Retry-After: 7"      what POST and PUT are answered; --then 200 from the second one on
    --greet 405                                 what HEAD is answered
    --want "Bearer one"                         other values of Authorization are answered 401
    --die                                       it kills itself when it has read a body
    --delay 5, --drip 0.2, --body 100000        late, byte by byte, or with that many bytes
    --refuse TEXT                               bodies with this text are answered --status, others 200
    --lasts 3600                                POST /token gives the token "t1", then "t2"; how long they last
"""

import argparse
import base64
import json
import os
import shlex
import signal
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from lifeline import die_with_parent


def options(words):
    parser = argparse.ArgumentParser()
    parser.add_argument("--status", type=int, default=200)
    parser.add_argument("--then", type=int, default=0)
    parser.add_argument("--header", action="append", default=[])
    parser.add_argument("--greet", type=int, default=405)
    parser.add_argument("--want", default="")
    parser.add_argument("--die", action="store_true")
    parser.add_argument("--delay", type=float, default=0)
    parser.add_argument("--drip", type=float, default=0)
    parser.add_argument("--body", type=int, default=2)
    parser.add_argument("--refuse", default="")
    parser.add_argument("--token-status", type=int, default=200)
    parser.add_argument("--lasts", type=float, default=3600)
    return parser.parse_args(words)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    posts, tokens, lock = 0, 0, threading.Lock()
    behaviour = options([])

    def setup(self):
        if self.server.context:
            self.request.settimeout(10)
            self.request = self.server.context.wrap_socket(self.request, server_side=True)
            self.request.settimeout(None)
        super().setup()

    def do_HEAD(self):
        self._written(b"")
        self._answer(self._greeted(), b"")

    do_OPTIONS = do_HEAD

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        told = self.behaviour
        self._written(body)
        if told.die:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(told.delay)
        if self.path == "/token":
            self._token()
            return
        self._answer(self._status(body), b"." * told.body)

    do_PUT = do_POST

    def _greeted(self):
        told = self.behaviour
        return 401 if told.want and self.headers["Authorization"] != told.want else told.greet

    def _status(self, body):
        told = self.behaviour
        if told.want and self.headers["Authorization"] != told.want:
            return 401
        if told.refuse and told.refuse.encode() not in body:
            return 200
        with self.lock:
            Handler.posts += 1
            return told.then if told.then and Handler.posts > 1 else told.status

    def _token(self):
        status = self.behaviour.token_status
        if status != 200:
            self._answer(status, b'{"error": "invalid_client"}')
            return
        with self.lock:
            Handler.tokens += 1
            token = f"t{Handler.tokens}"
        given = {"access_token": token, "token_type": "Bearer", "expires_in": self.behaviour.lasts}
        self._answer(200, json.dumps(given).encode())

    def _answer(self, status, body):
        self.send_response(status)
        for header in self.behaviour.header:
            self.send_header(*header.split(": ", 1))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        for byte in body if self.behaviour.drip else b"":
            self.wfile.write(bytes([byte]))
            time.sleep(self.behaviour.drip)
        if not self.behaviour.drip:
            self.wfile.write(body)

    def _written(self, body):
        line = {
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": base64.b64encode(body).decode(),
            "connection": self.client_address[1],
        }
        with self.lock, open(self.server.log, "a") as log:
            log.write(json.dumps(line) + "\n")

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass  # handshakes that fail are what the tests are about


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    parser.add_argument("--client-ca")
    parser.add_argument("--log", required=True)
    made, rest = parser.parse_known_args()
    if made.parent:
        die_with_parent(made.parent)
    Handler.behaviour = options(rest)
    server = Server(("127.0.0.1", made.port), Handler)
    server.log, server.context = made.log, None
    if made.certificate:
        server.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.context.load_cert_chain(made.certificate, made.key)
        if made.client_ca:
            server.context.load_verify_locations(made.client_ca)
            server.context.verify_mode = ssl.CERT_REQUIRED
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    for line in sys.stdin:
        Handler.posts = 0
        Handler.behaviour = options(shlex.split(line))
        print("ok", flush=True)


if __name__ == "__main__":
    main()
