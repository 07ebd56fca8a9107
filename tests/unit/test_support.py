from support import raises, vectors


def test_vectors_are_found():
    assert len(vectors("hmac_sha1")["vectors"]) >= 7


def test_raises_reports_a_missing_exception():
    raises(AssertionError, raises, ValueError, len, "")
