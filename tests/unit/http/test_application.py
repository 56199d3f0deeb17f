import json
import logging

import pytest
from webob import Request

from ryu_pmipls.http.access.roles import AccessRole
from ryu_pmipls.http.application import RestApplication, RestError


def broken():
    raise RuntimeError("a fault of ours")


def named(name):
    if name != "lma1":
        raise KeyError(f"no LMA is called {name!r}; there are: lma1")
    return {"name": name}


def drain(document, name):
    if name != "lma1":
        raise RestError(409, f"{name} is down")
    return {"name": name} | document


@pytest.fixture
def application():
    rest = RestApplication()
    rest.serve("/v1/health", AccessRole.READ, lambda: {"status": "ok"})
    rest.serve("/v1/lmas/{name}", AccessRole.READ, named)
    rest.serve("/v1/broken", AccessRole.READ, broken)
    rest.obey("/v1/lmas/{name}/drain", AccessRole.OPERATE, drain)
    rest.obey("/v1/health", AccessRole.OPERATE, lambda document: document)
    return rest


def ask(application, path, method="GET", body=b"", content_type="application/json"):
    request = Request.blank(path, method=method, body=body, content_type=content_type)
    response = request.get_response(application)
    assert response.content_type == "application/json"
    return response.status_int, json.loads(response.body) if response.body else None


def test_a_resource_answers(application):
    assert ask(application, "/v1/health") == (200, {"status": "ok"})
    assert ask(application, "/v1/health/") == (200, {"status": "ok"})
    assert ask(application, "/v1/lmas/lma1") == (200, {"name": "lma1"})


@pytest.mark.parametrize("path", ["/", "/v1/nothing", "/v1/lmas/lma1/more", "/v2/health", "/v1/health%00", "/../etc"])
def test_a_wrong_path_gets_a_json_404_that_lists_the_resources(application, path):
    status, document = ask(application, path)
    assert status == 404
    assert "/v1/lmas/{name}" in document["error"]["resources"]


def test_a_wrong_id_gets_a_json_404_that_names_what_there_is(application):
    status, document = ask(application, "/v1/lmas/lma9")
    assert status == 404
    assert document["error"]["message"] == "no LMA is called 'lma9'; there are: lma1"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "BREW"])
def test_a_wrong_method_gets_a_json_405(application, method):
    status, document = ask(application, "/v1/lmas/lma1", method)
    assert status == 405
    assert document["error"]["allowed"] == ["GET", "HEAD"]


def test_a_command_gets_its_document(application):
    assert ask(application, "/v1/lmas/lma1/drain", "POST", b'{"a": 1}') == (200, {"name": "lma1", "a": 1})
    assert ask(application, "/v1/lmas/lma1/drain", "GET")[1]["error"]["allowed"] == ["POST"]


def test_a_path_may_show_and_obey(application):
    assert ask(application, "/v1/health") == (200, {"status": "ok"})
    assert ask(application, "/v1/health", "POST", b"{}") == (200, {})
    assert ask(application, "/v1/health", "PUT")[1]["error"]["allowed"] == ["GET", "HEAD", "POST"]


def test_a_command_may_refuse(application):
    status, document = ask(application, "/v1/lmas/lma2/drain", "POST", b"{}")
    assert (status, document["error"]["message"]) == (409, "lma2 is down")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[]", b"1", b"null", b"[" * 100_000])
def test_a_command_takes_a_json_object_only(application, body):
    assert ask(application, "/v1/health", "POST", body)[0] == 400


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded"])
def test_a_command_takes_nothing_that_a_web_page_may_send_elsewhere(application, content_type):
    assert ask(application, "/v1/health", "POST", b"{}", content_type)[0] == 415


def test_a_fault_of_ours_shows_no_traceback(application):
    status, document = ask(application, "/v1/broken")
    assert status == 500
    assert "fault of ours" not in json.dumps(document)


def test_a_path_that_is_not_utf8_gets_a_json_400(application):
    status, _ = ask(application, "/v1/%ff")
    assert status == 400


@pytest.mark.parametrize(
    ("path", "method", "level"),
    [
        ("/v1/health", "GET", logging.DEBUG),
        ("/v1/health", "POST", logging.INFO),
        ("/v1/lmas/lma9", "GET", logging.INFO),
        ("/v1/\n", "GET", logging.INFO),
        ("/v1/%ff", "GET", logging.INFO),
    ],
)
def test_accesses_are_logged_at_debug_but_changes_and_errors_at_info(application, caplog, path, method, level):
    caplog.set_level(logging.DEBUG)
    status, _ = ask(application, path, method, b"{}")
    (record,) = (each for each in caplog.records if "from" in each.message)
    assert record.levelno == level
    assert "\n" not in record.message and record.message.endswith(f": status {status}")
