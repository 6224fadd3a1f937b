"""fake_lake.py -- an HTTP lake in memory that can be slow, broken or closed.

Create-only like the real one: 201, or 412 for a name that is there."""
import gzip
import http.server
import threading
import time


class FakeLake:
    """`with FakeLake() as lake:`; set .answer or .delay_s at any time."""

    def __init__(self):
        self.objects = {}  # name: bytes as put
        self.answer = None  # a status for every request instead of the right one
        self.delay_s = 0.0  # before a PUT is carried out
        self.changed = threading.Condition()
        self.puts = 0  # requests, whatever the answer

    def __enter__(self):
        lake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def reply(self, status, body=b""):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                body = lake.objects.get(self.path.lstrip("/"))
                if lake.answer:
                    self.reply(lake.answer)
                elif self.path in ("/", ""):
                    self.reply(200)
                else:
                    self.reply(404) if body is None else self.reply(200, body)

            def do_PUT(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.reply(lake.put(self.path.lstrip("/"), body))

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass  # a client that was killed

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05},
                         daemon=True).start()
        return self

    def __exit__(self, *exc):
        self.server.shutdown()
        self.server.server_close()

    def put(self, name, body):
        time.sleep(self.delay_s)
        with self.changed:
            self.puts += 1
            status = self.answer
            if status is None:
                status = 412 if name in self.objects else 201
                self.objects.setdefault(name, body)
            self.changed.notify_all()
            return status

    def wait(self, condition, timeout=60):
        """Until condition(self) holds after a PUT; False when time is over."""
        with self.changed:
            return self.changed.wait_for(lambda: condition(self), timeout)

    def plain(self):
        """{name: plain bytes}, as harness.read_lake() has it of a folder."""
        with self.changed:
            return {name: gzip.decompress(body) for name, body in self.objects.items()}
