"""A real server on loopback: what it answers to programs, to bad input and to attacks, and how it ends."""

import base64
import json
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import psutil
import pytest
import requests
import uvicorn
from glyphs import claim
from PIL import Image, ImageDraw
from pipeline_helpers import REPOSITORY
from server_helpers import drawing, encode, errors_of, processes_of, serving
from writing import form, write

from emnist.data.classes import CHARACTERS
from emnist.data.idx import load_pair
from emnist.reading.pictures import read_character
from emnist.serve.app import MAX_BYTES
from emnist.serve.drawings import Drawings
from emnist.sources.folder import Options, obtain
from emnist.utils.errors import UserError

MODELS = ["lenet", "resnet"]
PNG = encode(drawing())
TIFF = encode(drawing(), "TIFF", compression="tiff_lzw")
LARGE = encode(drawing(side=4000))  # takes some tenths of a second
PIXELS = read_character(PNG)
IMAGE, JSON, RAW = (
    {"Content-Type": kind} for kind in ("image/png", "application/json", "application/octet-stream; charset=x")
)


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """A server in a folder to which it writes nothing, and from which it imports nothing."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "struct.py").write_text("raise ImportError")
    with serving("--model", ",".join(MODELS), cwd=folder) as (url, server):
        yield url
        assert server.poll() is None and errors_of(server) == ""
    assert server.returncode == 0 and [path.name for path in folder.iterdir()] == ["struct.py"]


def predict(url, body, headers=IMAGE, query=""):
    return requests.post(f"{url}/predict{query}", data=body, headers=headers, timeout=60)


def in_json(*files):
    return json.dumps({"pictures": [base64.b64encode(each).decode() for each in files]})


def error_of(response):
    """Give a refusal's sentence."""
    assert list(response.json()) == ["error"] and response.headers["Content-Type"] == "application/json"
    assert "\n" not in response.json()["error"]
    return response.json()["error"]


# What it answers


def test_a_picture_is_read_as_emnist_predict_reads_its_file_to_the_last_digit(url, tmp_path):
    (tmp_path / "a.png").write_bytes(PNG)
    (picture,) = predict(url, PNG, query="?model=lenet,resnet&top=5").json()["pictures"]
    command = [sys.executable, "-m", "emnist", "predict", "--json", "--model", "lenet,resnet", "--top", "5"]
    done = subprocess.run([*command, "a.png"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert [reading | {"file": "a.png"} for reading in picture["networks"]] == json.loads(done.stdout)
    assert picture["networks"][1]["predictions"][0]["character"] == "A"
    assert base64.b64decode(picture["image"]) == PIXELS.tobytes()


def test_several_pictures_and_raw_pixels_are_read_in_the_order_given(url):
    one = encode(drawing([[(0.5, 0.1), (0.5, 0.9)]]))
    first, second, third = predict(url, in_json(PNG, one, PNG), JSON).json()["pictures"]
    assert first == third != second
    assert predict(url, np.stack([read_character(one), PIXELS]).tobytes(), RAW).json()["pictures"] == [second, first]
    (network,) = first["networks"]  # by default the first
    assert network["network"] == MODELS[0] and len(network["predictions"]) == 3


def test_the_models_and_the_health_are_listed(url):
    about = requests.get(f"{url}/models").json()
    assert about["default"] == "lenet" and about["drawings"] is None
    assert [(each["name"], each["classes"]) for each in about["models"]] == [(name, CHARACTERS) for name in MODELS]
    assert requests.get(f"{url}/healthz").json() == {"status": "ok", "waiting": 0}


def test_text_is_read_and_characters_may_be_given(url):
    page = encode(write(["7254 367", "3308"]))
    headers = {"Content-Type": "image/png"}
    answer = requests.post(f"{url}/read?characters=0-9&model=resnet&top=2", page, headers=headers).json()
    (picture,) = answer["pictures"]
    (network,) = picture["networks"]
    assert picture["notes"] == [] and network["network"] == "resnet"
    assert [line["text"] for line in network["lines"]] == ["7254367", "3308"]
    assert [len(each["guesses"]) for each in network["lines"][1]["characters"]] == [2] * 4
    form_page, _ = form(["324", "", "88", "7"])
    answer = requests.post(f"{url}/read?characters=0-9&model=resnet&boxes=true", encode(form_page), headers=headers)
    assert [line["text"] for line in answer.json()["pictures"][0]["networks"][0]["lines"]] == ["324", "", "88", "7"]


def test_characters_that_are_given_are_predicted_alone(url):
    (picture,) = predict(url, PNG, query="?characters=B-D&min_probability=1&top=9").json()["pictures"]
    assert {each["character"] for each in picture["networks"][0]["predictions"]} == set("BCD")
    assert picture["networks"][0]["character"] == "?"


def test_the_description_names_every_address_and_the_limits_and_the_docs_list_its_statuses(url):
    description = requests.get(f"{url}/openapi.json").json()
    for path, methods in description["paths"].items():
        for method in ("get", "post"):
            status = str(requests.request(method, url + path).status_code)
            assert status in (methods[method]["responses"] if method in methods else {"405"})
    said = json.dumps(description)
    assert f"{MAX_BYTES:,} bytes" in said and "256 pictures" in said and '"maxItems": 256' in said
    described = {
        status for path in description["paths"].values() for method in path.values() for status in method["responses"]
    }
    listed = re.findall(r"^\| (\d[\d, ]+) \|", (REPOSITORY / "docs/serve.md").read_text(), re.MULTILINE)
    listed = {status for line in listed for status in line.split(", ") if len(status) == 3}
    assert listed - {"500"} == described - {"200", "201"} | {"404", "405"}


def test_a_line_of_log_tells_each_request():
    with serving("--model", "lenet", "--log") as (url, server):
        predict(url, PNG)
        requests.get(f"{url}/no%0Asuch?top=1")
        requests.get(url, headers={"Host": "attacker.example"})
    lines = server.log.splitlines()
    assert [line.rsplit(" ", 2)[0] for line in lines] == ["POST /predict 200", r"GET /no\nsuch 404", "GET / 421"]
    assert all(re.fullmatch(r"\d+\.\d ms", " ".join(line.split()[-2:])) for line in lines)


def test_the_page_may_load_nothing_but_itself(url):
    page = requests.get(url)
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "*" not in policy
    assert not re.search(r'(src|href)="(?!data:)|url\(|@import|https?://(?!www\.w3\.org/2000/svg)', page.text)
    assert not re.search(r' style="| on\w+="', page.text)


# Pictures


def test_base64_is_read_as_programs_write_it(url):
    grainy = Image.effect_noise((100, 100), 4)
    ImageDraw.Draw(grainy).rectangle((45, 20, 54, 80), fill=0)
    rough = encode(grainy)
    text = base64.b64encode(rough).decode()
    forms = [text, "\r\n".join(re.findall(".{1,76}", text)), f"data:image/png;base64,{text}", text.rstrip("="),
             base64.urlsafe_b64encode(rough).decode()]  # fmt: skip
    assert {"+", "/"} <= set(text) and {"-", "_"} <= set(forms[-1])
    first, *others = predict(url, json.dumps({"pictures": forms}), JSON).json()["pictures"]
    assert others == [first] * 4


def test_the_files_of_a_form_are_read(url):
    lines = encode(Image.merge("RGB", [drawing()] * 3), "PPM") + b"\r\n\r"  # line breaks that belong to the file
    fields = [("picture", ("a.ppm", lines)), ("picture", ("a.png", PNG, "image/png"))]
    for files in (fields, fields[1:]):
        answer = requests.post(f"{url}/predict", files=files).json()["pictures"]
        assert [base64.b64decode(picture["image"]) for picture in answer] == [PIXELS.tobytes()] * len(files)


@pytest.mark.parametrize(
    "body, headers, status, said",
    [
        (b"", IMAGE, 422, "should be an image"),
        (TIFF[:8] + bytes(40) + TIFF[48:], IMAGE, 422, "cannot be read"),  # about which libtiff itself speaks
        (encode(Image.new("1", (100_000, 1))), IMAGE, 422, "none was found"),
        (claim(PNG, 8000, 8000), IMAGE, 422, "at most 30,000,000 pixels"),
        (claim(PNG, 50_000, 50_000), IMAGE, 422, "at most 30,000,000 pixels"),
        (claim(PNG, 0, 0), IMAGE, 422, "the picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", {"Content-Type": "image/eps"}, 422, "should be an image"),
        (PNG, {}, 415, "Content-Type should be image/* or application/json"),
        (PNG, {"Content-Type": "text/html"}, 415, "but is 'text/html'"),
        (b'{"pictures": [', JSON, 400, "should be JSON"),
        (b"[" * 100_000, JSON, 400, "should be JSON"),
        (b"\xff", JSON, 400, "should be JSON"),
        (b"{}", JSON, 400, '{"pictures": ["..."]}'),
        (b"[1]", JSON, 400, "in base64"),
        (b'{"pictures": []}', JSON, 400, "with 1 to 256"),
        (b'{"pictures": ["?"]}', JSON, 400, "in base64"),
        (b'{"pictures": [7, null]}', JSON, 400, "in base64"),
        (in_json(*[b"A"] * 257), JSON, 400, "1 to 256"),
        (in_json(PNG, b"A"), JSON, 422, "picture 2 of 2: "),
        (b'{"pictures": ["data:image/svg+xml,<svg/>"]}', JSON, 400, "in base64"),
        (b"--x\r\n\r\nhalf", {"Content-Type": "multipart/form-data; boundary=x"}, 400, "between its boundaries"),
        (b"no form", {"Content-Type": "multipart/form-data"}, 400, "between its boundaries"),
        (
            b'--x\r\nContent-Disposition: form-data; name="top"\r\n\r\n1\r\n--x--',
            {"Content-Type": "multipart/form-data; boundary=x"},
            422,
            "write model and top behind the address",
        ),
        (b"x" * 785, RAW, 422, "but are 785 bytes"),
        (b"", RAW, 422, "but are 0 bytes"),
        (bytes(784 * 257), RAW, 422, "1 to 256 images"),
        (bytes(MAX_BYTES + 1), IMAGE, 413, "at most 10,000,000 bytes"),
        ((bytes(MAX_BYTES // 4) for _ in range(5)), IMAGE, 413, "at most 10,000,000 bytes"),  # chunked
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_picture_is_refused_in_one_sentence(url, body, headers, status, said):
    response = predict(url, body, headers)
    assert (response.status_code, said in error_of(response)) == (status, True), response.text


@pytest.mark.parametrize(
    "method, path, status, said",
    [
        ("POST", "/predict?model=lennet", 422, "did you mean lenet?"),
        ("POST", "/predict?model=", 422, "model should be one of lenet, resnet"),
        ("POST", "/predict?top=0", 422, "top should be a number"),
        ("POST", "/predict?top=1e9", 422, "top should be a number"),
        ("POST", "/predict?characters=9-0", 422, "should rise, but falls"),
        ("POST", "/predict?ignore_case=yes", 422, "ignore_case should be one of true, false"),
        ("POST", "/predict?min_probability=2", 422, "min_probability should be from 0 to 1"),
        ("POST", "/predict?boxes=true", 422, "each parameter of the query should be one of model, top"),
        ("POST", "/read?boxes=1", 422, "boxes should be one of true, false"),
        ("POST", "/read?boxes=true", 422, "should show boxes, but none was found"),
        ("POST", "/predict?modle=lenet", 422, "did you mean model?"),
        ("GET", "/predict", 405, "GET /predict"),
        ("GET", "/../../etc/passwd", 404, "is not answered"),
        ("GET", "/%2e%2e/%2e%2e/etc/passwd", 404, "is not answered"),
        ("GET", "/openapi.json/..", 404, "is not answered"),
        ("POST", "/predict/", 404, "is not answered"),
        ("DELETE", "/models", 405, "DELETE /models"),
        ("POST", "/drawings", 403, "emnist serve --keep FOLDER"),
    ],
)
def test_other_addresses_and_values_are_refused_in_one_sentence(url, method, path, status, said):
    request = requests.Request(method, url, data=PNG if method == "POST" else None, headers=IMAGE).prepare()
    request.url = url + path  # requests would resolve the dots
    with requests.Session() as session:
        response = session.send(request)
    assert (response.status_code, said in error_of(response)) == (status, True), response.text


# Other sites


@pytest.mark.parametrize(
    "headers, status",
    [
        ({"Host": "localhost"}, 200),
        ({"Host": "192.168.1.7:8000"}, 200),
        ({"Host": "[::1]:8000"}, 200),
        ({"Host": "attacker.example"}, 421),  # DNS rebinding
        ({"Host": "localhost.attacker.example:8000"}, 421),
        ({"Host": ""}, 421),
        ({"Host": "[::1"}, 421),
        ({"Host": "localhost", "Origin": "http://localhost"}, 200),
        ({"Host": "localhost", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Host": "localhost:8000", "Origin": "http://localhost:8001"}, 403),
        ({"Origin": "https://attacker.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_requests_that_another_site_lets_a_browser_send_are_refused(url, headers, status):
    response = predict(url, PNG, IMAGE | headers)
    assert response.status_code == status
    assert status == 200 or error_of(response)
    assert "Access-Control-Allow-Origin" not in response.headers


# Slow and broken clients, load, and ends


def connect(url):
    return socket.create_connection(url.removeprefix("http://").split(":"), timeout=30)


HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/png\r\n"


def test_a_body_that_is_too_large_is_refused_before_it_comes(url):
    with connect(url) as client:
        client.sendall(HEAD + b"Content-Length: 99999999999\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 413")


def answers_to(url, sent):
    """Send bytes, close this half of the connection, and give all that comes until the server closes the other."""
    with connect(url) as client:
        client.sendall(sent)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


@pytest.mark.parametrize(
    "sent",
    [HEAD + b"Content-Length: 9\r\n\r\nhalf", HEAD, b"\x16\x03\x01\x02\x00\x01", b"GET /\r\n\r\n"],
    ids=["half a body", "half a head", "TLS", "HTTP/0.9"],
)
def test_what_is_no_whole_request_is_refused_in_one_sentence(url, sent):
    head, _, body = answers_to(url, sent).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400") and b"application/json" in head
    assert json.loads(body)["error"].startswith("the request should be HTTP")
    assert predict(url, PNG).status_code == 200


def test_a_client_that_closes_its_half_is_answered(url):
    body = HEAD + f"Content-Length: {len(PNG)}\r\n\r\n".encode() + PNG
    slow = HEAD + f"Content-Length: {len(LARGE)}\r\n\r\n".encode() + LARGE
    for sent, count in [(b"", 0), (body, 1), (slow, 1), (body + slow + body, 3), (body + HEAD, 1)]:
        assert answers_to(url, sent).count(b"HTTP/1.1 200 OK") == count


IMPATIENT = """
import emnist.serve.app as app, emnist.serve.server as server, emnist.serve.workers as workers
app.BODY_SECONDS = server.CLIENT_SECONDS = 1
server.MAX_CONNECTIONS, server.cores = 40, lambda: 1
workers.MAX_WAITING, workers.WAIT_SECONDS, workers.WORK_SECONDS = 3, 60, 60  # however busy this machine is
"""


@pytest.fixture(scope="module")
def impatient():
    """A server with one process, small limits and little patience."""
    with serving("--model", "lenet", changes=IMPATIENT) as (url, server):
        yield url, server


def test_slow_clients_are_cut_off(impatient):
    url, _ = impatient
    slow = [connect(url) for _ in range(3)]
    slow[1].sendall(HEAD)
    slow[2].sendall(HEAD + b"Content-Length: 99\r\n\r\nx")
    with pytest.raises(ConnectionError):
        for _ in range(200):  # a byte now and then does not help
            time.sleep(0.05)
            slow[1].sendall(b"X")
    assert slow[0].recv(1000) == b"" and slow[2].recv(1000).startswith(b"HTTP/1.1 408")


def test_who_comes_too_late_is_asked_to_come_again(impatient):
    url, _ = impatient
    with ThreadPoolExecutor(12) as clients:
        responses = list(clients.map(lambda _: predict(url, LARGE), range(12)))
    late = [response for response in responses if response.status_code == 503]
    assert 1 <= len(late) < 12 and {response.headers["Retry-After"] for response in late} == {"3"}
    assert all("busy" in error_of(response) for response in late)
    assert {response.status_code for response in responses} <= {200, 503}


@pytest.mark.parametrize("reset", [True, False], ids=["reset", "closed"])
def test_a_client_that_has_gone_keeps_no_place_in_the_queue(impatient, reset):
    url, _ = impatient
    body = in_json(*[LARGE] * 10).encode()
    head = f"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"

    def wait_for(number):
        while requests.get(f"{url}/healthz").json()["waiting"] != number:
            pass

    with connect(url) as first:
        clients = [first, connect(url), connect(url)]
        for client in clients:
            client.sendall(head.encode() + b"\r\n\r\n" + body)
        wait_for(2)
        for client in clients[1:]:
            if reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        wait_for(0)
        first.setblocking(False)
        with pytest.raises(BlockingIOError):  # it is still being answered: those behind it were not
            first.recv(1)
        first.settimeout(30)
        assert first.recv(12) == b"HTTP/1.1 200"


def test_more_connections_than_the_limit_are_closed(impatient):
    url, _ = impatient
    clients = [connect(url) for _ in range(60)]
    time.sleep(0.2)
    closed, _, _ = select.select(clients, [], [], 0)  # of which the end can be read
    for client in clients:
        client.close()
    assert len(closed) >= 20
    assert predict(url, PNG).status_code == 200


def test_a_reading_process_that_is_killed_is_replaced(impatient):
    url, server = impatient
    (process,) = processes_of(server)
    process.kill()
    process.wait()
    assert predict(url, PNG).status_code in (200, 503)
    assert predict(url, PNG).status_code == 200


def test_what_takes_too_long_is_refused_and_its_process_replaced():
    hasty = "import emnist.serve.workers as workers, emnist.serve.server as server; workers.WORK_SECONDS = 1"
    with serving("--model", "lenet", changes=f"{hasty}; server.cores = lambda: 1") as (url, server):
        (process,) = processes_of(server)
        response = predict(url, in_json(*[LARGE] * 30), JSON)
        assert (response.status_code, "at most 1 seconds" in error_of(response)) == (422, True)
        assert predict(url, PNG).status_code == 200 and not process.is_running()


def test_the_server_builds_on_inner_parts_of_uvicorn_that_are_of_the_pinned_version():
    """`Connection` overrides and calls what uvicorn may change; slow clients and those above need it."""
    extras = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert f"uvicorn=={uvicorn.__version__.rpartition('.')[0]}.*" in extras["optional-dependencies"]["serve"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_requests_that_run_are_answered_before_the_server_ends(number):
    with serving("--model", "lenet", changes=IMPATIENT) as (url, server), ThreadPoolExecutor(3) as clients:
        processes = processes_of(server)
        responses = [clients.submit(predict, url, in_json(*[LARGE] * 5), JSON) for _ in range(3)]
        while requests.get(f"{url}/healthz").json()["waiting"] < 2:  # a connection without a request would be closed
            assert not any(response.done() for response in responses)
        server.send_signal(number)
        assert [response.result().status_code for response in responses] == [200] * 3
        assert server.wait(20) == 0 and errors_of(server) == ""
        assert psutil.wait_procs(processes, 20)[1] == []


def test_the_processes_end_with_a_server_that_is_killed():
    with serving("--model", "lenet") as (_, server):
        processes = processes_of(server)
        server.kill()
        assert processes and psutil.wait_procs(processes, 20)[1] == []


# Drawings


def read_kept(folder, part):
    """Give the images and the characters of a folder in the official layout."""
    stem = f"{folder}/emnist-byclass-{part}"
    images, labels = load_pair(f"{stem}-images-idx3-ubyte.gz", f"{stem}-labels-idx1-ubyte.gz", 62, transposed=True)
    return images, [CHARACTERS[label] for label in labels]


def test_kept_drawings_are_a_folder_that_the_pipeline_reads(tmp_path):
    folder = tmp_path / "kept"
    with serving("--model", "lenet", "--keep", str(folder)) as (url, _):

        def keep(body):
            return requests.post(f"{url}/drawings", json=body)

        picture = base64.b64encode(PNG).decode()
        for count, character in enumerate("A7b", 1):
            response = keep({"picture": picture, "character": character})
            assert (response.status_code, response.json()) == (201, {"kept": count, "limit": 1000})
        for body, status, said in [
            ({"picture": picture, "character": "?"}, 422, "should be one of 0123"),
            ({"picture": picture, "character": ["A"]}, 422, "should be one of 0123"),
            ({"picture": "AAAA", "character": "A"}, 422, "should be an image"),
            ({"picture": "?", "character": "A"}, 400, "in base64"),
            ({"character": "A"}, 400, "in base64"),
            ([], 400, "in base64"),
        ]:
            response = keep(body)
            assert (response.status_code, said in error_of(response)) == (status, True), response.text
        assert requests.get(f"{url}/models").json()["drawings"] == {"kept": 3, "limit": 1000}
        other = subprocess.run(
            [sys.executable, "-m", "emnist", "serve", "--keep", folder, "--port", "0"], capture_output=True, text=True
        )
        assert other.returncode == 1 and other.stderr.startswith(f"error: {folder} is where another server keeps")
    obtain(Options(emnist=str(folder), mnist=None), tmp_path / "raw", with_digits=False)
    for part, labels in (("train", "Ab"), ("test", "7")):
        images, found = read_kept(tmp_path / "raw", part)
        assert found == list(labels)
        assert all(np.array_equal(image, PIXELS) for image in images)


def test_no_more_drawings_are_kept_than_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(Drawings, "LIMIT", 2)
    kept = Drawings(tmp_path)
    kept.keep(PIXELS, "A")
    kept.keep(PIXELS, "A")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UserError, match="2 drawings are kept, which is the most"):
        kept.keep(PIXELS, "A")
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_an_image_without_its_label_is_dropped_and_damage_is_refused(tmp_path):
    kept = Drawings(tmp_path)
    for _ in range(3):
        kept.keep(PIXELS, "A")
    labels = tmp_path / "emnist-byclass-train-labels-idx1-ubyte.gz"
    whole = labels.read_bytes()
    kept.keep(PIXELS, "B")
    labels.write_bytes(whole)  # as if the server had been killed between the images and the labels
    kept.keep(PIXELS, "C")
    assert read_kept(tmp_path, "train")[1] == list("AAC")
    labels.write_bytes(whole[:-5])
    with pytest.raises(UserError, match=f"{labels} should hold labels"):
        kept.keep(PIXELS, "A")
