from tacita.ohttp import media


def test_names_are_those_registered() -> None:
    assert media.KEYS == "application/ohttp-keys"
    assert (media.REQUEST, media.RESPONSE) == ("message/ohttp-req", "message/ohttp-res")
    assert media.CHUNKED_REQUEST == "message/ohttp-chunked-req"
    assert media.CHUNKED_RESPONSE == "message/ohttp-chunked-res"
