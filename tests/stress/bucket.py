"""Rounds of four processes that archive the same ids into one bucket at once, while the store fails and two of them are killed.

    python3 tests/stress/bucket.py --server PATH/fake_s3.py --program target/release/yescale-dl [--rounds 200] [--ids 400] [--seed 1]

The server is a Python file with a class `S3(port)` that keeps objects in memory, has `start`, `stop`, `store`, `objects`, `counts` and
`faults`, and calls `store(key, body, headers, etag)` for each write. The gateway gives every question other links, so that two workers get
different bytes for one asset. A round is made from a seed, but for the order in which the processes are served.

After each round, the ids are run again without faults, and then once more. Then:
- every file that a manifest names is there, with its size and hash;
- no object but a task manifest and the index pointer ever changed its bytes;
- no manifest lost a file, its text or its fields for people;
- nothing was deleted but objects of the index, and only when the command `index` ran;
- the last run asks the gateway nothing and reads no manifest.
"""
import argparse
import hashlib
import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BUCKET, PREFIX = "clips", "archive"
URL = f"s3://{BUCKET}/{PREFIX}"
# The first bytes of each type: a body without them would be refused or warned of.
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\6\0\0\0"
MP4 = b"\0\0\0\x18ftypisom\0\0\2\0isomiso2"


class Source:
    """The gateway and the media host. An asset's bytes depend on the id, its name and a variant that each question gets anew."""

    def __init__(self, seed, variants, large):
        self.random, self.variants, self.large, self.asked = random.Random(seed), variants, large, 0
        source = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version, wbufsize, disable_nagle_algorithm = "HTTP/1.1", 1 << 16, True

            def log_message(self, *arguments):
                pass

            def do_GET(self):
                try:
                    source.serve(self)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True  # a killed process

        class Server(ThreadingHTTPServer):
            daemon_threads, request_queue_size = True, 512

            def handle_error(self, *arguments):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def serve(self, handler):
        kind, _, rest = handler.path.lstrip("/").partition("/")
        if kind == "task":
            self.asked += 1
            variant = self.random.randrange(self.variants)
            media = f"{self.url}/media/{rest}/{variant}"
            result = {"videos": [f"{media}/v.mp4"], "images": [f"{media}/i.png"], "text": f"text of {rest}, {variant}"}
            body, content_type = json.dumps({"status": "SUCCESS", "progress": "100%", "task_result": result}).encode(), "application/json"
        else:
            body, content_type = self.media(rest)
        handler.send_response(200)
        handler.send_header("Content-Type", content_type)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def media(self, path):
        task = path.split("/")[0]
        content_type, start = ("video/mp4", MP4) if path.endswith("mp4") else ("image/png", PNG)
        noise = hashlib.sha512(path.encode()).digest()
        is_large = self.large and task == "t0" and path.endswith("mp4")
        size = (65 << 20) if is_large else 200 + int.from_bytes(noise[:2], "big")
        return start + (noise * (size // len(noise) + 1))[:size], content_type

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Recorded(dict):
    """The objects of the server, which also records what is deleted."""

    def __init__(self, deleted):
        super().__init__()
        self.deleted = deleted

    def pop(self, key, *default):
        if key in self:
            self.deleted.append(key)
        return super().pop(key, *default)


class Round:
    def __init__(self, options, seed):
        self.options, self.seed, self.random = options, seed, random.Random(seed)
        self.problems, self.deleted, self.versions, self.manifests = [], [], {}, {}
        self.ids = [f"t{number}" for number in range(options.ids)]
        self.source = Source(seed, variants=3, large=options.large)
        self.store = options.module.S3(0, seed=seed)
        self.store.objects = Recorded(self.deleted)
        self.watch(self.store)
        self.store.start()
        self.folder = tempfile.TemporaryDirectory(prefix="bucket-stress-")
        self.list = os.path.join(self.folder.name, "ids.txt")
        with open(self.list, "w") as file:
            file.write("\n".join(self.ids))

    def watch(self, store):
        """Checks every write as it happens."""
        write = store.store

        def watched(key, body, headers, etag):
            name = key[len(f"{BUCKET}/{PREFIX}/"):]
            if name.endswith("/manifest.json"):
                self.check_growth(name, body)
            elif name != ".yescale/index/current.json":
                digest = hashlib.sha256(body).digest()
                if self.versions.setdefault(name, digest) != digest:
                    self.problems.append(f"{name} got other bytes")
            return write(key, body, headers, etag)

        store.store = watched

    def check_growth(self, name, body):
        entry = json.loads(body)["tasks"][0]
        assets = {(file["kind"], file["index"]) for file in entry["files"]}
        before, had_text = self.manifests.get(name, (set(), False))
        if not before <= assets:
            self.problems.append(f"{name} lost {before - assets}")
        if had_text and not entry.get("text"):
            self.problems.append(f"{name} lost its text")
        self.manifests[name] = (assets, bool(entry.get("text")))

    def start(self, *arguments):
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "YESCALE_"))}
        environment.update({
            "YESCALE_API_KEY": "sk-stress", "YESCALE_BASE_URL": self.source.url, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.store.port}",
            "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret",
            "HOME": self.folder.name, "TMPDIR": self.folder.name,
        })
        log = open(os.path.join(self.folder.name, f"log-{time.monotonic_ns()}"), "w+")
        process = subprocess.Popen([self.options.program, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        process.log = log
        return process

    def archive(self, *arguments):
        return self.start("-i", self.list, "-o", URL, "--retry-delay", "0s", *arguments)

    def end(self, process, codes, what):
        code = process.wait(timeout=600)
        process.log.seek(0)
        if code not in codes:
            self.problems.append(f"{what}: exit {code}: {process.log.read()[-2000:]}")
        process.log.close()

    def run(self):
        faults = [("*", "/t[0-9]", "lost", 0.03), ("*", ".", "503", 0.03), ("PUT", "manifest|/t[0-9]|log", "409", 0.02),
                  ("*", "/t[0-9]|index", "drop", 0.01), ("PUT", "index", "lost", 0.1)]
        self.store.faults = faults[:self.random.randint(3, len(faults))]
        processes = [self.archive(*self.random.choice([(), ("--force",), ("--only", "image,text"), ("-j", "4")])) for _ in range(4)]
        writes = self.options.ids * 8
        killed = self.random.sample(processes, 2)
        for process in killed:
            # Some writes later: by requests, not by time, so that slow machines meet the same moments.
            limit = self.random.randrange(20, writes)
            while process.poll() is None and sum(self.store.counts.values()) < limit:
                time.sleep(0.005)
            process.send_signal(signal.SIGKILL)
        index = self.start("index", URL) if self.random.random() < 0.5 else None
        for process in processes:
            # A store that fails too often ends a task with an error; the next run takes it up.
            self.end(process, {0, 1, -signal.SIGKILL}, "a worker")
        if index:
            self.end(index, {0, 1, 2}, "index beside workers")
        self.store.faults = []
        self.end(self.archive(), {0}, "the next run")
        if self.random.random() < 0.5:
            self.end(self.start("index", URL), {0}, "index")
        asked, self.store.counts = self.source.asked, {}
        reads = self.watch_reads()
        self.end(self.archive(), {0}, "the last run")
        if self.source.asked != asked:
            self.problems.append(f"the last run asked {self.source.asked - asked} times")
        if reads:
            self.problems.append(f"the last run read {len(reads)} manifests: {reads[:3]}")
        self.check_objects()

    def watch_reads(self):
        """The manifests that are read from now on."""
        reads, serve = [], self.store.serve

        def watched(handler, bucket, key, query, body):
            if handler.command in ("GET", "HEAD") and key.endswith("/manifest.json"):
                reads.append(key)
            return serve(handler, bucket, key, query, body)

        self.store.serve = watched
        return reads

    def check_objects(self):
        objects = {key[len(f"{BUCKET}/{PREFIX}/"):]: value["body"] for key, value in self.store.objects.items()}
        for name in self.deleted:
            if "/.yescale/index/" not in name:
                self.problems.append(f"{name} was deleted")
        for task in self.ids:
            manifest = objects.get(f"{task}/manifest.json")
            if manifest is None:
                self.problems.append(f"{task} has no manifest")
                continue
            entry = json.loads(manifest)["tasks"][0]
            if entry["state"] != "complete" or len(entry["files"]) != 2:
                self.problems.append(f"{task} is {entry['state']} with {len(entry['files'])} files")
            for file in entry["files"]:
                body = objects.get(f"{task}/{file['path']}")
                if body is None:
                    self.problems.append(f"{task}/{file['path']} is named, but not there")
                elif (len(body), hashlib.sha256(body).hexdigest()) != (file["size"], file["sha256"]):
                    self.problems.append(f"{task}/{file['path']} has wrong bytes")
            if objects.get(f"{task}/{entry['text_path']}") != entry["text"].encode():
                self.problems.append(f"{task}: the text differs")

    def stop(self):
        self.store.stop()
        self.source.stop()
        self.folder.cleanup()


def load(path):
    spec = importlib.util.spec_from_file_location("server", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", required=True, help="a Python file with the S3 server")
    parser.add_argument("--program", required=True, help="the program under test")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--ids", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--large", action="store_true", help="one file of each round has 65 MiB")
    options = parser.parse_args()
    options.module, bad = load(options.server), 0
    for seed in range(options.seed, options.seed + options.rounds):
        started, this = time.monotonic(), Round(options, seed)
        try:
            this.run()
        finally:
            this.stop()
        objects = len(this.store.objects)
        print(f"seed {seed}: {len(this.problems)} problems, {objects} objects, {time.monotonic() - started:.1f} s", flush=True)
        for problem in this.problems[:10]:
            print("   ", problem, flush=True)
        bad += bool(this.problems)
    print(f"{options.rounds - bad} rounds without a problem, {bad} with one")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
