"""The `dsrl` source against a server on this machine.

The true servers were never reached from where this was written and tested, nor was a published file ever seen
here. What is tested is a local HTTP server that behaves, and misbehaves, in the ways listed below, with
files of our own that have the published ones' form, names, counts and costs.
"""

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import h5py
import numpy as np
import pytest

from safemil.data.download import Downloader
from safemil.data.dsrl_table import DSRL_TABLE, PublishedFile, published_file
from safemil.data.hdf5 import read_labelled, write_labelled
from safemil.data.published import provide
from safemil.errors import UserError
from safemil.tasks import get_task, load_tasks
from tests.data.file_server import (
    FileServer,
    cut_after,
    page,
    redirect_to_storage,
    stall_after,
    status,
    whole,
    whole_or_rest,
)

TASK = get_task("swimmer_velocity")
NAME = TASK.dsrl_file
COUNT, MAX_COST = 1686, 200


@contextmanager
def no_report(*_args, **_kwargs):
    class Silent:
        def update(self, *_):
            pass

    yield Silent()


DOWNLOADER = Downloader(no_report, retries=2, first_wait=0.0)


@pytest.fixture(scope="session")
def swimmer(make_labelled):
    """As many trajectories, with as high a highest cost, as the published file's name says."""
    costs = np.arange(COUNT) % (MAX_COST + 1)
    return make_labelled([4] * COUNT, costs=costs.tolist(), sizes=(8, 2))


@pytest.fixture(scope="session")
def good(swimmer, tmp_path_factory):
    path = tmp_path_factory.mktemp("published") / NAME
    write_labelled(path, swimmer, {})
    return path


@pytest.fixture(scope="session")
def content(good):
    return good.read_bytes()


@pytest.fixture
def server(content):
    running = FileServer(content)
    yield running
    running.stop()


@pytest.fixture
def published(server):
    return PublishedFile(
        NAME, "CC-BY-4.0", (server.address("primary", NAME), server.address("mirror", NAME)), None, None
    )


@pytest.fixture
def output(tmp_path):
    return tmp_path / "data" / "dsrl" / NAME


def part_of(output):
    return output.parent / "downloads" / f"{NAME}.part"


def names(output):
    """Every file under the data folder, by its path relative to it."""
    root = output.parent
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir())


DONE = sorted([NAME, f"{NAME}.sha256", f"downloads/{NAME}"])


def fails(published, output, *messages, **options):
    with pytest.raises(UserError) as error:
        provide(TASK, published, output, DOWNLOADER, **options)
    text = str(error.value)
    for message in messages:
        assert message in text
    assert not output.exists()
    assert not (output.parent / "downloads" / NAME).exists()
    return text


@pytest.fixture(scope="session")
def other(swimmer, tmp_path_factory):
    """A file that passes every check but that of the hash."""
    path = tmp_path_factory.mktemp("other") / NAME
    write_labelled(path, replace(swimmer, rewards=swimmer.rewards * 2), {})
    return path


def test_a_file_is_downloaded_checked_and_linked(server, published, output, content):
    provide(TASK, published, output, DOWNLOADER)
    assert names(output) == DONE
    assert output.is_symlink()
    assert not output.readlink().is_absolute()
    assert output.read_bytes() == content
    assert server.folders == ["primary"]
    digest = hashlib.sha256(content).hexdigest()
    assert (output.parent / f"{NAME}.sha256").read_text() == f"{digest}  {NAME}\n"


def test_a_second_time_nothing_is_asked_for(server, published, output):
    provide(TASK, published, output, DOWNLOADER)
    before = {path: path.lstat().st_mtime_ns for path in output.parent.rglob("*")}
    provide(TASK, published, output, DOWNLOADER)
    assert len(server.asked) == 1
    assert {path: path.lstat().st_mtime_ns for path in output.parent.rglob("*")} == before


def test_a_removed_link_is_made_anew_without_the_network(server, published, output):
    provide(TASK, published, output, DOWNLOADER)
    output.unlink()
    provide(TASK, published, output, DOWNLOADER)
    assert len(server.asked) == 1
    assert names(output) == DONE


@pytest.mark.parametrize("etag", ['"first"', None, 'W/"weak"'])
def test_a_cut_download_is_continued(server, published, output, content, etag):
    server.etag = etag
    server.answers["primary"] = [cut_after(300_000), whole_or_rest]
    provide(TASK, published, output, DOWNLOADER)
    assert output.read_bytes() == content
    first, second = server.ranges()
    assert first is None
    reached = int(second.removeprefix("bytes=").removesuffix("-"))
    assert 200_000 < reached <= 300_000
    assert server.asked[1][1].get("If-Range") == ('"first"' if etag == '"first"' else None)


def test_a_line_that_breaks_often_gets_there(server, published, output, content):
    steps = iter(range(1, 100))

    def a_bit_more(handler):
        first = int(handler.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        length = len(content) - first
        extent = {"Content_Range": f"bytes {first}-{len(content) - 1}/{len(content)}"} if first else {}
        handler.head(206 if first else 200, Content_Length=str(length), ETag='"first"', **extent)
        next(steps)
        handler.wfile.write(content[first : first + 70_000])

    server.answers["primary"] = [a_bit_more]
    provide(TASK, published, output, DOWNLOADER)
    assert output.read_bytes() == content
    assert server.folders == ["primary"] * len(server.asked)
    assert len(server.asked) > 1 + DOWNLOADER.retries


def test_a_server_that_ignores_range_sends_all_again(server, published, output, content):
    server.answers["primary"] = [cut_after(300_000), whole]
    provide(TASK, published, output, DOWNLOADER)
    assert server.ranges()[1] is not None
    assert output.read_bytes() == content


@pytest.mark.parametrize("etag", ["strong", None])
@pytest.mark.parametrize("if_range", [True, False])
def test_a_file_that_changed_between_two_tries_is_begun_anew(
    server, published, output, content, other, etag, if_range
):
    server.content, server.etag = other.read_bytes(), etag and '"old"'

    def change(handler):
        server.content, server.etag = content, etag and '"new"'
        if not if_range:
            del handler.headers["If-Range"]
        whole_or_rest(handler)

    server.answers["primary"] = [cut_after(300_000), change, whole_or_rest]
    provide(TASK, published, output, DOWNLOADER)
    assert output.read_bytes() == content
    assert server.ranges()[1] is not None
    assert set(server.folders) == {"primary"}


def test_what_a_killed_process_left_complete_is_only_checked(server, published, output, content):
    server.answers["primary"] = [cut_after(300_000)]
    server.answers["mirror"] = [status(404)]
    fails(published, output, "connection lost", "404")
    part_of(output).write_bytes(content)
    asked = len(server.asked)
    provide(TASK, published, output, DOWNLOADER)
    assert len(server.asked) == asked
    assert names(output) == DONE


@pytest.mark.parametrize("left", ["longer", "no description", "unreadable description"])
def test_a_part_that_cannot_be_continued_is_dropped(server, published, output, content, left):
    server.answers["primary"] = [cut_after(300_000)]
    server.answers["mirror"] = [status(404)]
    fails(published, output)
    part, description = part_of(output), part_of(output).with_name(f"{NAME}.part.json")
    if left == "longer":
        part.write_bytes(content + b"more")
    elif left == "no description":
        description.unlink()
    else:
        description.write_text("{")
    server.answers = {}
    provide(TASK, published, output, DOWNLOADER)
    assert output.read_bytes() == content
    assert names(output) == DONE


def test_other_content_is_seen_by_the_hash_of_the_table(server, published, output, content, other):
    right = hashlib.sha256(content).hexdigest()
    server.content = other.read_bytes()
    known = replace(published, sha256=right)
    text = fails(known, output, right, "as the table of files says", "primary", "mirror")
    assert text.count("SHA-256") == 2
    # Nothing of it is left to spoil the next try.
    assert names(output) == []
    server.content = content
    provide(TASK, known, output, DOWNLOADER)
    assert names(output) == sorted([NAME, f"downloads/{NAME}"])


@pytest.mark.parametrize("n_bytes", [1, 1000])
def test_damaged_content_is_refused(server, published, output, content, n_bytes):
    middle = len(content) // 2
    noise = bytes(byte ^ 0x55 for byte in content[middle : middle + n_bytes])
    server.content = content[:middle] + noise + content[middle + n_bytes :]
    # Seen by the checksum of HDF5's compressed blocks, even where no hash is known.
    fails(published, output, "HDF5 file is damaged")
    assert names(output) == []


def test_the_hash_that_the_server_states_is_held(server, published, output, content, other):
    wrong = other.read_bytes()
    server.answers["primary"] = [redirect_to_storage]
    server.answers["storage"] = [
        lambda handler: (handler.head(200, Content_Length=str(len(wrong))), handler.wfile.write(wrong))
    ]
    server.answers["mirror"] = [status(404)]
    fails(published, output, "arrived damaged", hashlib.sha256(content).hexdigest())
    assert names(output) == []


def test_a_redirected_download_is_continued(server, published, output, content):
    # As the primary is said to do it: no ETag from the storage server, the hash from the redirect.
    server.etag = None
    server.answers["primary"] = [redirect_to_storage]
    server.answers["storage"] = [cut_after(300_000), whole_or_rest]
    provide(TASK, published, output, DOWNLOADER)
    assert output.read_bytes() == content
    assert server.folders == ["primary", "storage"] * 2
    assert server.ranges()[3] is not None


def test_a_size_in_the_table_is_held(published, output, content):
    fails(replace(published, size=len(content) + 1), output, f"has {len(content)} bytes, not")
    assert names(output) == []


@pytest.mark.parametrize(
    ("change", "messages"),
    [
        ("other task", ["observations: expected shape (6744, 8), found (6744, 17)"]),
        ("too few", ["expected 1686 trajectories, found 1685"]),
        ("too costly", ["expected a highest episode cost between 180 and 201, found 205"]),
        ("too cheap", ["expected a highest episode cost between 180 and 201, found 150"]),
        ("too few, too cheap", ["found 1685", "found 150"]),
    ],
)
def test_a_wrong_file_is_refused(
    server, published, output, content, make_labelled, tmp_path, change, messages
):
    count = COUNT - ("too few" in change)
    highest = {"too costly": 205, "too cheap": 150, "too few, too cheap": 150}.get(change, MAX_COST)
    sizes = (17, 6) if change == "other task" else (8, 2)
    costs = (np.arange(count) % (highest + 1)).tolist()
    wrong = tmp_path / "wrong.hdf5"
    write_labelled(wrong, make_labelled([4] * count, costs=costs, sizes=sizes), {})
    server.content = wrong.read_bytes()
    fails(published, output, *messages)
    assert names(output) == []
    server.content = content
    provide(TASK, published, output, DOWNLOADER)
    assert output.read_bytes() == content


def test_a_web_page_is_no_file_and_does_not_cost_the_part(server, published, output, content):
    server.answers = {"primary": [cut_after(300_000), status(404)], "mirror": [status(404)]}
    fails(published, output, "404")
    size = part_of(output).stat().st_size
    server.answers = {"primary": [page], "mirror": [page]}
    fails(published, output, "answered with a web page instead of the file")
    assert part_of(output).stat().st_size == size
    server.answers = {}
    provide(TASK, published, output, DOWNLOADER)
    assert server.ranges()[-1] == f"bytes={size}-"
    assert output.read_bytes() == content


def test_a_page_that_claims_to_be_data_is_no_file(server, published, output):
    server.content = b"<html>not found</html>"
    fails(published, output, "not an HDF5 file")
    assert names(output) == []


def test_the_mirror_steps_in(server, published, output, content):
    server.answers["primary"] = [status(404)]
    provide(TASK, published, output, DOWNLOADER)
    assert server.folders == ["primary", "mirror"]
    assert output.read_bytes() == content


def test_the_mirror_steps_in_for_wrong_content_too(server, published, output, content, other):
    wrong = other.read_bytes()
    server.answers["primary"] = [
        lambda handler: (handler.head(200, Content_Length=str(len(wrong))), handler.wfile.write(wrong))
    ]
    known = replace(published, sha256=hashlib.sha256(content).hexdigest())
    provide(TASK, known, output, DOWNLOADER)
    assert output.read_bytes() == content


def test_a_part_of_the_primary_is_not_continued_from_the_mirror(server, published, output, content):
    server.answers["primary"] = [cut_after(300_000), status(404)]
    provide(TASK, published, output, DOWNLOADER)
    assert [headers.get("Range") for folder, headers in server.asked if folder == "mirror"] == [None]
    assert output.read_bytes() == content


def test_no_file_at_either_address_says_what_to_do(server, published, output):
    server.answers = {"primary": [status(404)], "mirror": [status(410)]}
    text = fails(published, output, "primary", "answered 404", "mirror", "answered 410")
    for way in (f"downloads/{NAME}", "DSRL_DATASET_DIR", "source: collected"):
        assert way in text
    # A plain no is not asked again.
    assert len(server.asked) == 2
    assert names(output) == []


@pytest.mark.parametrize("code", [429, 500, 502, 503])
def test_a_passing_fault_is_tried_again(server, published, output, content, code):
    server.answers["primary"] = [status(code, Retry_After="0"), status(code), whole_or_rest]
    provide(TASK, published, output, DOWNLOADER)
    assert server.folders == ["primary"] * 3
    assert output.read_bytes() == content


def test_a_lasting_fault_ends(server, published, output):
    server.answers = {"primary": [status(503)], "mirror": [status(404)]}
    fails(published, output, "answered 503")
    assert server.folders == ["primary"] * (1 + DOWNLOADER.retries) + ["mirror"]


def test_waits_grow_and_follow_the_server(server, published, output, monkeypatch):
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    server.answers["primary"] = [status(503), status(503), status(503, Retry_After="7"), whole_or_rest]
    provide(TASK, published, output, Downloader(no_report, retries=4, first_wait=0.5))
    assert waits == [0.5, 1.0, 7.0]


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("http://127.0.0.1:9/x.hdf5", "Connection refused"),
        ("http://no-such-host.invalid/x.hdf5", "no-such-host.invalid: "),
    ],
)
def test_no_network_says_what_to_do(published, output, address, reason):
    addresses = (address, address.replace("x.hdf5", "y.hdf5"))
    offline = replace(published, addresses=addresses)
    text = fails(offline, output, reason.split(":")[0], *addresses, "source: collected", "DSRL_DATASET_DIR")
    assert "HTTPConnectionPool" not in text
    assert names(output) == []


def test_a_file_in_the_dataset_directory_is_linked_not_copied(server, published, output, good):
    provide(TASK, published, output, DOWNLOADER, dataset_directory=good.parent)
    assert server.asked == []
    assert names(output) == sorted([NAME, f"{NAME}.sha256"])
    assert output.resolve() == good.resolve()
    # The user's folder is only read.
    assert list(good.parent.iterdir()) == [good]


def test_a_dataset_directory_without_the_file_is_passed_over(published, output, tmp_path):
    provide(TASK, published, output, DOWNLOADER, dataset_directory=tmp_path / "absent")
    assert names(output) == DONE


def test_a_bad_file_in_the_dataset_directory_is_named(server, published, output, content, tmp_path):
    bad = tmp_path / "datasets" / NAME
    bad.parent.mkdir()
    bad.write_bytes(content[: len(content) // 2])
    fails(published, output, str(bad), "damaged", "DSRL_DATASET_DIR", dataset_directory=bad.parent)
    assert server.asked == []
    assert bad.exists()


def test_a_file_placed_by_hand_is_used(server, published, output, content):
    for place in (output, output.parent / "downloads" / NAME):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        provide(TASK, published, output, DOWNLOADER)
        assert output.read_bytes() == content
        output.unlink()
    assert server.asked == []


def test_the_hash_recorded_at_first_use_is_held(published, output, content, other):
    provide(TASK, published, output, DOWNLOADER)
    output.unlink()
    with pytest.raises(UserError) as error:
        provide(TASK, published, output, DOWNLOADER, dataset_directory=other.parent)
    record = output.parent / f"{NAME}.sha256"
    for part in (hashlib.sha256(content).hexdigest(), "recorded at first use", str(record), str(other)):
        assert part in str(error.value)
    assert not output.exists()
    record.unlink()
    provide(TASK, published, output, DOWNLOADER, dataset_directory=other.parent)
    assert output.resolve() == other.resolve()


def test_an_unreadable_record_is_named(published, output, good):
    output.parent.mkdir(parents=True)
    record = output.parent / f"{NAME}.sha256"
    record.write_text("")
    with pytest.raises(UserError, match="record"):
        provide(TASK, published, output, DOWNLOADER, dataset_directory=good.parent)


def test_a_full_disk_ends_in_a_message(published, output, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safemil.data.part_file.PartFile.append", fail)
    fails(published, output, "No space left on device")


def test_two_downloads_of_one_file_do_not_mix(server, published, output, content):
    released = threading.Event()
    server.answers["primary"] = [stall_after(300_000, released), whole_or_rest]
    other = threading.Thread(target=provide, args=(TASK, published, output, DOWNLOADER))
    other.start()
    while not server.asked:
        time.sleep(0.01)
    with pytest.raises(UserError, match="another process"):
        provide(TASK, published, output, DOWNLOADER)
    released.set()
    other.join()
    assert output.read_bytes() == content


def test_the_table_of_files_names_every_file_and_claims_nothing_unknown():
    for task in filter(lambda each: each.dsrl_file, load_tasks().values()):
        row = published_file(task.dsrl_file)
        assert [address.rsplit("/", maxsplit=1)[1] for address in row.addresses] == [task.dsrl_file] * 2
        assert row.addresses[0].startswith("https://")
        # Nobody has reached the servers yet: no size and no hash may be stated.
        assert (row.licence, row.size, row.sha256) == ("CC-BY-4.0", None, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file\tlicence\n", "none called primary, mirror, size, sha256"),
        ("file\tlicence\tprimary\tmirror\tsize\tsha256\n", "no such file"),
        (f"file\tlicence\tprimary\tmirror\tsize\tsha256\n{NAME}\tx\t\t\tmany\tABC\n", "primary address"),
        (f"file\tlicence\tprimary\tmirror\tsize\tsha256\n{NAME}\tx\t\t\tmany\tABC\n", "found many"),
        (f"file\tlicence\tprimary\tmirror\tsize\tsha256\n{NAME}\tx\t\t\tmany\tABC\n", "found ABC"),
    ],
)
def test_a_bad_table_is_refused(tmp_path, text, message):
    table = tmp_path / "table.tsv"
    table.write_text(text)
    with pytest.raises(UserError, match=message):
        published_file(NAME, table)


# The command line.


def table_for(server, directory, **columns):
    row = {
        "file": NAME,
        "licence": "CC-BY-4.0",
        "primary": server.address("primary", NAME),
        "mirror": server.address("mirror", NAME),
        "size": "",
        "sha256": "",
        **columns,
    }
    path = directory / "files.tsv"
    path.write_text("\t".join(row) + "\n" + "\t".join(row.values()) + "\n")
    return path


def command(output, *options):
    return [
        sys.executable,
        *("-m", "safemil", "download", "--task", TASK.name, "--output", str(output), *options),
    ]


def run(output, *options, **environment):
    return subprocess.run(
        command(output, *options),
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_downloads(server, output, content, tmp_path):
    result = run(output, "--table", str(table_for(server, tmp_path)))
    assert result.returncode == 0, result.stderr
    assert output.read_bytes() == content
    assert f"download {NAME}: done" in result.stderr


def test_the_command_ends_in_one_message(server, output, tmp_path):
    table = table_for(server, tmp_path, primary="http://127.0.0.1:9/x", mirror="")
    result = run(output, "--table", str(table), "--retries", "1")
    assert result.returncode == 1
    assert result.stderr.count("Error:") == 1
    assert "trying again in 1 s" in result.stderr
    assert "Connection refused" in result.stderr
    assert "Traceback" not in result.stderr
    assert names(output) == []


def test_the_command_takes_the_dataset_directory_from_the_environment(server, output, good, tmp_path):
    table = str(table_for(server, tmp_path))
    result = run(output, "--table", table, DSRL_DATASET_DIR=str(good.parent))
    assert result.returncode == 0, result.stderr
    assert output.resolve() == good.resolve()
    assert server.asked == []


def test_the_command_refuses_a_bad_file_in_the_dataset_directory(server, output, tmp_path):
    bad = tmp_path / "datasets" / NAME
    bad.parent.mkdir()
    bad.write_text("<html>moved</html>")
    table = str(table_for(server, tmp_path))
    result = run(output, "--table", table, DSRL_DATASET_DIR=str(bad.parent))
    assert result.returncode == 1
    assert "not an HDF5 file" in result.stderr
    assert str(bad) in result.stderr
    assert "Traceback" not in result.stderr
    assert not output.exists()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_download_leaves_no_file_and_is_continued(server, output, content, tmp_path, how):
    released = threading.Event()
    server.answers["primary"] = [stall_after(300_000, released), whole_or_rest]
    table = str(table_for(server, tmp_path))
    # Children of a background job of a shell ignore the interrupt; here it is to be heard in any case.
    hear = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    arguments = command(output, "--table", table)
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, preexec_fn=hear)
    deadline = time.monotonic() + 60
    while not (part_of(output).exists() and part_of(output).stat().st_size >= 200_000):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(how)
    _, errors = process.communicate()
    released.set()
    assert process.returncode != 0
    assert "Traceback" not in errors
    assert names(output) == sorted([f"downloads/{NAME}.part", f"downloads/{NAME}.part.json"])
    assert run(output, "--table", table).returncode == 0
    assert server.ranges()[1] is not None
    assert output.read_bytes() == content
    assert names(output) == DONE


def test_the_downloaded_file_is_read(output, published, swimmer):
    provide(TASK, published, output, DOWNLOADER)
    data = read_labelled(output, task=TASK)
    np.testing.assert_array_equal(data.costs, swimmer.costs)
    assert DSRL_TABLE.is_file()
    with h5py.File(output) as file:
        assert file["costs"].shape == (4 * COUNT,)
