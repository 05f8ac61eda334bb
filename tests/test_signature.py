from __future__ import annotations

import base64
import errno
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from builders.small_runs import predictions, small_run
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from typer.testing import CliRunner, Result

from auditor.cli import app
from auditor.manifest import full_seal, read_manifest, write_manifest
from auditor.signature import RunSignature, sign_seal, write_signature


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    table = predictions(90, wrong=range(0, 90, 7))
    return small_run(tmp_path_factory.mktemp("runs") / "run", table).path


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "run" / "report.html").write_text("<p>")
    write_manifest(tmp_path / "run")
    write_keys(ed25519.Ed25519PrivateKey.generate(), tmp_path)
    return tmp_path / "run"


def write_keys(
    key: PrivateKeyTypes,
    folder: Path,
    name: str = "",
    encryption: KeySerializationEncryption | None = None,
) -> None:
    """Writes ``private.pem`` and ``public.pem``."""
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / f"{name}private.pem").write_bytes(private)
    (folder / f"{name}public.pem").write_bytes(public)


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


def sign(run: Path, key: str = "private.pem", *more: str | Path) -> Result:
    return invoke("sign", run, "--key", run.parent / key, *more)


def check(run: Path, key: str = "public.pem", signature: str = "run.sig") -> Result:
    names = ("--signature", run.parent / signature, "--public-key", run.parent / key)
    return invoke("verify", run, *names)


def words(result: Result) -> str:
    return " ".join(result.output.split())


def contents(folder: Path) -> dict[str, bytes]:
    return {str(one): one.read_bytes() for one in sorted(folder.rglob("*")) if one.is_file()}


def test_signature_of_an_untouched_run_fits_and_the_run_is_not_changed(run: Path) -> None:
    before = contents(run)
    done = sign(run)
    assert done.exit_code == 0, done.output
    assert contents(run) == before
    done = check(run)
    assert done.exit_code == 0, done.output
    assert f"made with the private part of {run.parent / 'public.pem'}" in words(done)


def test_signature_covers_documents_even_if_the_manifest_was_rewritten(run: Path) -> None:
    sign(run)
    (run / "report.html").write_text("<p>passes")
    write_manifest(run)
    assert invoke("verify", run).exit_code == 0
    done = check(run)
    assert done.exit_code == 1
    assert "the signature is for a run with the seal" in words(done)
    assert "intact" not in done.output


def test_signature_of_another_person_is_reported(run: Path) -> None:
    sign(run)
    write_keys(ed25519.Ed25519PrivateKey.generate(), run.parent, "other-")
    done = check(run, "other-public.pem")
    assert done.exit_code == 1
    assert "was not made with the private part of this key" in words(done)


def test_signature_whose_stated_seal_was_changed_does_not_fit(run: Path) -> None:
    sign(run)
    path = run.parent / "run.sig"
    (run / "report.html").write_text("<p>passes")
    write_manifest(run)
    record = json.loads(path.read_text()) | {"seal": read_manifest(run).full_seal}
    path.write_text(json.dumps(record))
    assert check(run).exit_code == 1


def test_sign_altered_run_is_refused(run: Path) -> None:
    (run / "report.html").write_text("<p>passes")
    done = sign(run)
    assert done.exit_code == 2
    assert "report.html was altered" in words(done)
    assert not (run.parent / "run.sig").exists()


def test_sign_never_replaces_a_file_or_writes_into_the_run(run: Path) -> None:
    sign(run)
    before = contents(run.parent)
    again = sign(run)
    inside = sign(run, "private.pem", "--out", run / "explanations" / "run.sig")
    assert (again.exit_code, inside.exit_code) == (2, 2)
    assert "expected a free place" in words(again)
    assert "expected a file outside of the run" in words(inside)
    assert contents(run.parent) == before


def test_sign_full_disk_leaves_no_file_that_would_refuse_the_next_try(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: RunSignature, **_options: object) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(RunSignature, "model_dump_json", full)
    signature = sign_seal(read_manifest(run).full_seal, ed25519.Ed25519PrivateKey.generate())
    with pytest.raises(OSError, match="No space"):
        write_signature(signature, tmp_path / "run.sig")
    assert not (tmp_path / "run.sig").exists()


@pytest.mark.parametrize("password", ["right", "wrong", None])
def test_sign_encrypted_key_takes_the_password_from_the_environment(
    password: str | None, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    write_keys(key, run.parent, encryption=BestAvailableEncryption(b"right"))
    monkeypatch.delenv("AUDITOR_KEY_PASSWORD", raising=False)
    if password is not None:
        monkeypatch.setenv("AUDITOR_KEY_PASSWORD", password)
    done = sign(run)
    messages = {
        "right": "signed the seal",
        "wrong": "the password does not decrypt the key",
        None: "the key is encrypted: set AUDITOR_KEY_PASSWORD",
    }
    assert messages[password] in words(done)
    assert done.exit_code == (2 if password != "right" else 0)  # noqa: S105


def test_keys_of_the_wrong_kind_are_named(run: Path) -> None:
    sign(run)
    write_keys(rsa.generate_private_key(65537, 2048), run.parent, "rsa-")
    (run.parent / "text.pem").write_text("my key")
    cases = [
        (sign(run, "rsa-private.pem"), "another algorithm (RSA)"),
        (sign(run, "public.pem"), "expected a private key to sign with; got a public one"),
        (sign(run, "text.pem"), "expected an Ed25519 private key in PEM"),
        (sign(run, "nowhere.pem"), "expected an existing file"),
        (check(run, "rsa-public.pem"), "another algorithm (RSA)"),
        (check(run, "private.pem"), "expected a public key; got a private one"),
        (check(run, "text.pem"), "expected an Ed25519 public key in PEM"),
        (check(run, "run"), "it is no regular file"),
    ]
    for done, message in cases:
        assert done.exit_code == 2
        assert message in words(done)


@pytest.mark.parametrize("damage", ["truncated", "empty", "foreign", "short", "base64", "version"])
def test_damaged_signature_file_is_named(damage: str, run: Path) -> None:
    sign(run)
    path = run.parent / "run.sig"
    text = path.read_text()
    record = json.loads(text)
    texts = {
        "truncated": text[:100],
        "empty": "",
        "foreign": '{"seal": 1}',
        "short": json.dumps(record | {"signature": base64.b64encode(b"x" * 63).decode()}),
        "base64": json.dumps(record | {"signature": "?" * 88}),
        "version": json.dumps(record | {"version": 2}),
    }
    path.write_text(texts[damage])
    done = check(run)
    assert done.exit_code == 2
    assert "run.sig: expected a file that `auditor sign` wrote" in words(done)


def test_verify_needs_signature_and_key_together(run: Path) -> None:
    sign(run)
    done = invoke("verify", run, "--signature", run.parent / "run.sig")
    assert done.exit_code == 2
    assert "expected --signature and --public-key together" in words(done)


def test_sign_without_cryptography_names_the_extra(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    done = sign(run)
    assert done.exit_code == 2
    assert "pip install 'classifier-auditor[signature]'" in words(done)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_openssl_makes_keys_and_checks_signatures(run: Path) -> None:
    folder = run.parent

    def openssl(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["openssl", *arguments], cwd=folder, capture_output=True, text=True, check=False
        )

    (folder / "private.pem").unlink()
    (folder / "public.pem").unlink()
    openssl("genpkey", "-algorithm", "ed25519", "-out", "private.pem")
    openssl("pkey", "-in", "private.pem", "-pubout", "-out", "public.pem")
    assert sign(run).exit_code == 0
    assert check(run).exit_code == 0
    record = json.loads((folder / "run.sig").read_text())
    (folder / "raw").write_bytes(base64.b64decode(record["signature"]))
    seal = read_manifest(run).full_seal
    (folder / "text").write_text(f"auditor run signature, version 1\n{seal}\n")
    command = ["pkeyutl", "-verify", "-pubin", "-inkey", "public.pem"]
    command += ["-rawin", "-in", "text", "-sigfile", "raw"]
    assert openssl(*command).returncode == 0
    (folder / "text").write_text(f"{seal}\n")
    assert openssl(*command).returncode != 0


def test_seal_names_with_line_feeds_do_not_imitate_other_files() -> None:
    one, two = "1" * 64, "2" * 64
    assert full_seal({"a": one, "b": two}) != full_seal({f"a\n{two}  b": one})


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="sha256sum is not installed")
def test_seal_is_the_sha256_of_the_lines_of_sha256sum(tmp_path: Path) -> None:
    names = ["a", "b c", "d\\e", "f\ng", "ü"]
    for name in names:
        (tmp_path / name).write_text(name)
    listed = subprocess.run(
        ["sha256sum", *sorted(names)], cwd=tmp_path, capture_output=True, check=True
    )
    total = subprocess.run(["sha256sum"], input=listed.stdout, capture_output=True, check=True)
    assert write_manifest(tmp_path).full_seal == total.stdout.decode().split()[0]
