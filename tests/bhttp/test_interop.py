"""Messages that other implementations made, read where they lie in ../shared/vectors."""

from support import vectors

from tacita.bhttp import decode_request, decode_response, encode_request, encode_response


def test_messages_of_the_go_gateway() -> None:
    for vector in vectors.shared("ohttp/interop-ohttp-go.json")["vectors"]:
        request = bytes.fromhex(vector["request_bhttp"])
        response = bytes.fromhex(vector["response_bhttp"])
        assert encode_request(decode_request(request)) == request
        assert encode_response(decode_response(response)) == response


def test_messages_of_the_chunked_draft() -> None:
    vector = vectors.shared("ohttp/chunked-ohttp-08-appendix-a.json")
    request = decode_request(bytes.fromhex(vector["request_bhttp"]))
    response = decode_response(bytes.fromhex(vector["response_bhttp"]))
    assert request.head.method == b"GET"
    assert response.head.status == 200
