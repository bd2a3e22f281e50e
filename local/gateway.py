"""Gives the stack's HTTP API an address of its own, as API Gateway does: the emulator has it below a path, with an id that
is known only after the deployment. Listens on 127.0.0.1, and forwards byte for byte."""

import http.client
import http.server
import threading
import urllib.parse

# About the connection, not about the message.
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "proxy-connection"}


class Gateway:
    def __init__(self, port):
        self.target = None
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), self.handler())
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def forward_to(self, url):
        self.target = urllib.parse.urlsplit(url)

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def handler(self):
        gateway = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def forward(self):
                target = gateway.target
                if target is None:
                    return self.send_error(503, "not deployed yet")
                # Senders that announce no length send no body: API Gateway takes no other.
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                upstream = http.client.HTTPConnection(target.hostname, target.port, timeout=60)
                try:
                    upstream.putrequest(self.command, target.path + self.path, skip_host=True, skip_accept_encoding=True)
                    upstream.putheader("host", target.netloc)
                    for name, value in self.headers.items():
                        if name.lower() not in HOP_BY_HOP | {"host", "content-length"}:
                            upstream.putheader(name, value)
                    upstream.putheader("content-length", str(len(body)))
                    upstream.endheaders(body)
                    answer = upstream.getresponse()
                    content = answer.read()
                except OSError as error:
                    return self.send_error(502, str(error))
                finally:
                    upstream.close()
                self.send_response_only(answer.status, answer.reason)
                for name, value in answer.getheaders():
                    if name.lower() not in HOP_BY_HOP | {"content-length"}:
                        self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = do_TRACE = do_QUERY = forward

        return Handler
