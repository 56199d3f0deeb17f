import json

import pytest
from webob import Request

from ryu_pmipls.rest.application import RestApplication


def broken():
    raise RuntimeError("a fault of ours")


def named(name):
    if name != "lma1":
        raise KeyError(f"no LMA is called {name!r}; there are: lma1")
    return {"name": name}


@pytest.fixture
def application():
    rest = RestApplication()
    rest.serve("/v1/health", lambda: {"status": "ok"})
    rest.serve("/v1/lmas/{name}", named)
    rest.serve("/v1/broken", broken)
    return rest


def ask(application, path, method="GET"):
    response = Request.blank(path, method=method).get_response(application)
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
    status, document = ask(application, "/v1/health", method)
    assert status == 405
    assert document["error"]["allowed"] == ["GET", "HEAD"]


def test_a_fault_of_ours_shows_no_traceback(application):
    status, document = ask(application, "/v1/broken")
    assert status == 500
    assert "fault of ours" not in json.dumps(document)


def test_a_path_that_is_not_utf8_gets_a_json_400(application):
    status, _ = ask(application, "/v1/%ff")
    assert status == 400
