"""`emnist serve` behind nginx and Caddy, as docs/serve.md sets them up."""

import re
import shutil
import subprocess
from contextlib import contextmanager

import pytest
import requests
from loopback import free_port, running
from pipeline_helpers import REPOSITORY
from server_helpers import drawing, encode, serving

DOCS = (REPOSITORY / "docs/serve.md").read_text(encoding="utf-8")
PATHS = ("/usr/sbin", "/usr/local/sbin")  # where Debian's nginx is, which a user's PATH need not have
PASSWORD = "reader", "secret"
BCRYPT = "$2b$04$/z4s89x6yxxKzJ9eJ5McHePYp/k1EHNg1HylCyesZ8Sx.o45pKjle"  # of few rounds, since each request pays


def program(name):
    return shutil.which(name) or shutil.which(name, path=":".join(PATHS))


def needs(*names):
    missing = [name for name in names if not program(name)]
    return pytest.mark.skipif(bool(missing), reason=f"needs {' and '.join(missing)}, as of Debian's packages")


def configuration(language, changes):
    """Give the docs' configuration, after changes of what differs from machine to machine."""
    (text,) = re.findall(f"```{language}\n(.*?)```", DOCS, re.DOTALL)
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, str(new))
    return text


@contextmanager
def nginx(folder, server):
    """Start nginx; yields its address, and the certificate by which it is known."""
    port, certificate, key = free_port(), folder / "read.pem", folder / "read.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2"]
        + ["-subj", "/CN=read.example", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    hashed = subprocess.run(["openssl", "passwd", "-apr1", PASSWORD[1]], check=True, capture_output=True, text=True)
    (folder / "readers").write_text(f"{PASSWORD[0]}:{hashed.stdout}")
    changes = {
        "443": f"127.0.0.1:{port}",
        "/etc/ssl/certs/read.example.pem": certificate,
        "/etc/ssl/private/read.example.key": key,
        "/etc/nginx/readers": folder / "readers",
        "127.0.0.1:8000": server,
    }
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "\n".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    (folder / "nginx.conf").write_text(
        f"pid {folder}/nginx.pid; events {{}} http {{ access_log off; {temporary}\n{configuration('nginx', changes)} }}"
    )
    folder.chmod(0o755)
    arguments = ["-p", folder, "-c", folder / "nginx.conf", "-e", "stderr", "-g", "daemon off; master_process off;"]
    with running([program("nginx"), *arguments], port, folder / "log"):
        yield f"https://127.0.0.1:{port}", str(certificate)


@contextmanager
def caddy(folder, server):
    """Start Caddy, without the certificate that it would get from the internet; as `nginx`."""
    port = free_port()
    changes = {
        "read.example {": f"http://read.example:{port} {{",
        "HASH": BCRYPT,
        "127.0.0.1:8000": server,
    }
    (folder / "Caddyfile").write_text("{\n    admin off\n}\n" + configuration("caddy", changes))
    arguments = ["run", "--adapter", "caddyfile", "--config", folder / "Caddyfile"]
    with running([program("caddy"), *arguments], port, folder / "log"):
        yield f"http://127.0.0.1:{port}", True


@pytest.fixture(scope="module")
def server():
    """The address of a server that is started as the docs say."""
    (arguments,) = re.findall(r"^emnist serve (--allowed-host .*)", DOCS, re.MULTILINE)
    with serving("--model", "lenet", *arguments.split()) as (url, _):
        yield url.removeprefix("http://")


@pytest.mark.parametrize(
    "start", [pytest.param(nginx, marks=needs("nginx", "openssl")), pytest.param(caddy, marks=needs("caddy"))]
)
def test_the_page_and_its_requests_work_behind_a_proxy(start, server, tmp_path):
    picture = encode(drawing())
    with start(tmp_path, server) as (address, certificate), requests.Session() as session:
        session.trust_env, session.verify, session.headers["Host"] = False, certificate, "read.example"
        assert session.get(f"{address}/emnist/").status_code == 401
        session.auth = PASSWORD
        moved = session.get(f"{address}/emnist", allow_redirects=False)
        assert moved.status_code in (301, 302) and moved.headers["Location"].endswith("/emnist/")
        assert "Draw a character" in session.get(f"{address}/emnist/").text
        assert session.get(f"{address}/emnist/models").json()["default"] == "lenet"
        assert session.get(f"{address}/emnist/openapi.json").json()["servers"] == [{"url": "/emnist"}]
        for origin, status in [("https://read.example", 200), ("https://attacker.example", 403)]:
            headers = {"Content-Type": "image/png", "Origin": origin}
            assert session.post(f"{address}/emnist/predict", picture, headers=headers).status_code == status
        large = session.post(f"{address}/emnist/predict", bytes(10_000_000), headers={"Content-Type": "image/png"})
        assert large.status_code == 422  # the proxy lets through what the server takes


def test_a_proxy_may_cut_the_path_off_and_name_an_address_as_host(server):
    for path in ("/models", "/emnist/models"):
        assert requests.get(f"http://{server}{path}").json()["default"] == "lenet"
    headers = {"Content-Type": "image/png", "Origin": "https://read.example", "Sec-Fetch-Site": "same-origin"}
    assert requests.post(f"http://{server}/predict", encode(drawing()), headers=headers).status_code == 200
    assert requests.get(f"http://{server}/models", headers={"Host": "read.example:8443"}).status_code == 200
    other = requests.post(f"http://{server}/predict", headers=headers | {"Origin": "https://read.example:8443"})
    assert other.status_code == 403 and "--allowed-host" in other.json()["error"]
