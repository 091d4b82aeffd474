import json

from node.answers import Answer, Usage, error_document, model_list
from node.errors import Busy, Unsupported
from tacita.errors import TacitaError

USAGE = Usage(prompt_tokens=3, completion_tokens=2)
USAGE_DOCUMENT = {
    "prompt_tokens": 3,
    "completion_tokens": 2,
    "total_tokens": 5,
    "prompt_tokens_details": {"cached_tokens": 0},
}


def test_a_whole_answer() -> None:
    document = json.loads(Answer("chatcmpl-1", 7, "m").whole("hü\n", "stop", USAGE))
    assert document == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 7,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "hü\n", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": USAGE_DOCUMENT,
    }


def test_the_chunks_of_a_stream() -> None:
    answer = Answer("chatcmpl-1", 7, "m")
    chunks = [
        json.loads(c) for c in (answer.first_chunk(), answer.text_chunk("hi"), answer.last_chunk("stop"))
    ]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert [chunk["choices"][0]["delta"] for chunk in chunks] == [
        {"role": "assistant", "content": ""},
        {"content": "hi"},
        {},
    ]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None, "stop"]
    assert all("usage" not in chunk for chunk in chunks)


def test_usage_is_in_a_chunk_of_its_own_and_null_in_the_others() -> None:
    answer = Answer("chatcmpl-1", 7, "m", include_usage=True)
    assert json.loads(answer.text_chunk("hi"))["usage"] is None
    last = json.loads(answer.usage_chunk(USAGE))
    assert (last["choices"], last["usage"]) == ([], USAGE_DOCUMENT)


def test_no_line_break_gets_into_a_document() -> None:
    assert not {"\r", "\n"} & set(Answer("i", 7, "m").text_chunk("a\r\nb"))


def test_errors_in_the_shape_that_clients_read() -> None:
    assert json.loads(error_document(Unsupported("Not n.", param="n"))) == {
        "error": {
            "message": "Not n.",
            "type": "invalid_request_error",
            "param": "n",
            "code": "unsupported_parameter",
        }
    }
    assert json.loads(error_document(Busy("Busy.")))["error"]["code"] == "overloaded"
    assert json.loads(error_document(TacitaError("Failed.")))["error"] == {
        "message": "Failed.",
        "type": "server_error",
        "param": None,
        "code": None,
    }


def test_the_models() -> None:
    document = json.loads(model_list("m", 7))
    assert document == {
        "object": "list",
        "data": [{"id": "m", "object": "model", "created": 7, "owned_by": "tacita"}],
    }
