"""The push parser: what it tells its handler, and what it refuses (CWMP-16)."""

from support import raises

from cwmp.wire.xml import XmlReader
from cwmp.wire.xml_error import XmlError


class Recorder:
    def __init__(self):
        self.events = []

    def start(self, uri, local, attributes):
        self.events.append(("start", uri, local, list(attributes)))

    def end(self, uri, local, text):
        self.events.append(("end", uri, local, text))


def parse(document, step=None, **options):
    recorder = Recorder()
    reader = XmlReader(recorder, **options)
    data = document if isinstance(document, bytes) else document.encode()
    view = memoryview(data)
    for at in range(0, len(data), step or max(1, len(data))):
        reader.feed(view[at : at + (step or len(data))])
    reader.close()
    return recorder.events


TOO_LONG = "\3" * 1025


def text_of(document, **options):
    return parse(document, **options)[-1][3]


def refused(document, **options):
    """-> text of the XmlError, the same one in one piece and byte by byte."""
    whole = raises(XmlError, lambda: parse(document, **options))
    bytewise = raises(XmlError, lambda: parse(document, 1, **options))
    assert str(whole) == str(bytewise), (whole, bytewise)
    return str(whole)


DOCUMENT = (
    b'\xef\xbb\xbf<?xml version="1.0" encoding="UTF-8" ?>\r\n<!-- a > <b> -->\n'
    b"<e:Envelope xmlns:e='urn:e' xmlns=\"urn:d\">\n"
    b'  <Body  a = "1>2" e:b=\'it&apos;s "x"\'\n\txmlns:f="urn:f"><f:x/>'
    b'<y xmlns="">t&lt;&#x41;&#66;</y >\n'
    b"  <?pi > ?><z><![CDATA[<a>&amp;]]]>\xc3\xa9<!-- - -->!</z></Body></e:Envelope>\n<?end?>"
)
EVENTS = [
    ("start", "urn:e", "Envelope", []),
    ("start", "urn:d", "Body", [("", "a", "1>2"), ("urn:e", "b", 'it\'s "x"')]),
    ("start", "urn:f", "x", []),
    ("end", "urn:f", "x", ""),
    ("start", "", "y", []),
    ("end", "", "y", "t<AB"),
    ("start", "urn:d", "z", []),
    ("end", "urn:d", "z", "<a>&amp;]é!"),
    ("end", "urn:d", "Body", None),
    ("end", "urn:e", "Envelope", None),
]


def test_cwmp_16_events_of_a_document():
    assert parse(DOCUMENT) == EVENTS


def test_cwmp_16_any_split_gives_the_same_events():
    for step in (1, 2, 3, 5, 7, 11, 64):
        assert parse(DOCUMENT, step) == EVENTS
    for cut in range(len(DOCUMENT)):
        recorder = Recorder()
        reader = XmlReader(recorder)
        reader.feed(DOCUMENT[:cut])
        reader.feed(DOCUMENT[cut:])
        reader.close()
        assert recorder.events == EVENTS


def test_cwmp_16_entities_and_numeric_references():
    assert text_of("<a>&amp;&lt;&gt;&quot;&apos;&#65;&#x1F600;&#xe9;</a>") == "&<>\"'A\U0001f600é"
    assert text_of("<a>&amp;lt;</a>") == "&lt;"
    assert parse('<a b="&lt;&#10;&amp;"/>')[0][3] == [("", "b", "<\n&")]


def test_cwmp_16_custom_entities_and_broken_references_are_refused():
    for entity in (
        "&foo;",
        "&;",
        "&#;",
        "&#x;",
        "&#xZ;",
        "&#-1;",
        "&# 1;",
        "&#1_0;",
        "&#0x41;",
        "&Amp;",
    ):
        assert refused("<a>" + entity + "</a>") == "XML entity not known", entity
    for entity in ("&#0;", "&#11;", "&#xD800;", "&#xFFFE;", "&#x110000;", "&#99999999;"):
        assert refused("<a>" + entity + "</a>") == "XML character not allowed", entity
    assert refused("<a>&amp</a>") == "XML entity malformed"
    assert refused("<a b='&#x;'/>") == "XML entity not known"


def test_cwmp_16_dtd_is_refused():
    laughs = '<!DOCTYPE a [<!ENTITY b "ha">]><a>&b;</a>'
    assert refused(laughs) == "XML document type refused"
    assert (
        refused('<?xml version="1.0"?>\n<!DOCTYPE a SYSTEM "http://x/"><a/>')
        == "XML document type refused"
    )
    assert refused("<a><!ELEMENT a></a>") == "XML document type refused"


def test_cwmp_16_encodings():
    for name in ("UTF-8", "utf-8", "US-ASCII"):
        assert text_of('<?xml version="1.0" encoding="' + name + '"?><a>x</a>') == "x"
    for name in ("ISO-8859-1", "UTF-16", "windows-1252", "utf-7"):
        document = "<?xml version='1.0' encoding='" + name + "'?><a>x</a>"
        assert refused(document) == "XML encoding not supported"
    for document in (b"\xff\xfe<\0a\0/\0>\0", b"\xfe\xff\0<\0a\0/\0>", b"<\0a\0/\0>\0<\0"):
        assert refused(document) == "XML encoding not supported"


def test_cwmp_16_text_that_is_not_utf8_is_refused():
    # Broken, overlong, surrogate, beyond U+10FFFF, cut off: MicroPython takes some of them.
    for raw in (b"\xff", b"\xc1\xbf", b"\xe0\x81\x80", b"\xf0\x80\x81\x80", b"\xc3", b"a\x80"):
        assert refused(b"<a>" + raw + b"</a>") == "XML text is not UTF-8", raw
    # Which of the two texts depends on the interpreter.
    for raw in (b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80"):
        refused(b"<a>" + raw + b"</a>")
    for raw in (b"\0", b"\x01", b"\x0b", b"\x1f", b"\xef\xbf\xbe", b"\xef\xbf\xbf"):
        assert refused(b"<aaaaaaaa>" + raw + b"</aaaaaaaa>") == "XML character not allowed", raw


def test_cwmp_16_line_ends_and_blanks():
    assert text_of("<a>\r\nb\rc\n\td </a>") == "\nb\nc\n\td "
    assert text_of("<a>&#13;\r\n</a>") == "\r\n"
    assert parse('<a b="1\r\n2\n3\t4&#9;"/>')[0][3] == [("", "b", "1 2 3 4\t")]


def test_cwmp_16_not_well_formed_is_refused():
    end = "XML end tag does not match"
    assert refused("<a></b>") == end
    assert refused("<a></a></a>") == end
    assert refused("<a><b></a></b>") == end
    early = "XML ends too early"
    for document in (
        "",
        "<",
        "<a",
        "<a>",
        "<a></a",
        "<a/><!-- ",
        "<a><![CDATA[x</a>",
        "<a b='/>",
        "<?xml ?>",
    ):
        assert refused(document) == early, document
    assert refused("<a/><b/>") == "XML has two root elements"
    for document in ("x<a/>", "<a/>x", "<![CDATA[ ]]><a/>", "<a/><![CDATA[]]>", "just some text"):
        assert refused(document) == "XML text outside the root element", document
    for document in (
        "< a/>",
        "<1a/>",
        "<-a/>",
        "<a =''/>",
        "<a/b/>",
        "<a b/>",
        "<>aaaaaaa</>",
        "<a 'b'='c'/>",
    ):
        assert refused(document).endswith("malformed"), document
    for document in (
        "<a b=c/>",
        "<a b='c'd='e'/>",
        "<a b=/>",
        "<a b='1' c/>",
        "<a b='<'/>",
        "<a <b/>",
    ):
        assert refused(document).endswith("malformed"), document


def test_cwmp_16_namespaces():
    inner = "<a xmlns='u1' xmlns:p='u2'><p:b xmlns:p='u3' p:c='1' d='2'/><p:e/><f xmlns=''/></a>"
    assert [event[1:] for event in parse(inner) if event[0] == "start"] == [
        ("u1", "a", []),
        ("u3", "b", [("u3", "c", "1"), ("", "d", "2")]),
        ("u2", "e", []),
        ("", "f", []),
    ]
    xml = "http://www.w3.org/XML/1998/namespace"
    assert parse("<a xml:lang='en'/>")[0][3] == [(xml, "lang", "en")]
    undeclared = "XML namespace prefix not declared"
    assert refused("<p:a/>") == undeclared
    assert refused("<a p:b='1'/>") == undeclared
    assert refused("<a><p:b xmlns:p='u'/><p:c/></a>") == undeclared
    for document in ("<a xmlns:p=''/>", "<a xmlns:xmlns='u'/>", "<a xmlns:xml='u'/>"):
        assert refused(document) == "XML namespace malformed", document
    for document in ("<:a/>", "<a:/>", "<a:b:c xmlns:a='u'/>"):
        assert refused(document) == "XML name malformed", document
    for document in ("<a b='1' b='2'/>", "<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>"):
        assert refused(document) == "XML attribute twice", document


def test_cwmp_09_only_the_text_that_is_too_long_is_lost():
    document = "<a><b>" + "x&amp;" * 4000 + "</b><c>y</c><d>" + "z" * 5000 + "<e/></d></a>"
    for size in (1, 100, len(document)):
        found = [event[2:4] for event in parse(document, size) if event[0] == "end"]
        assert found == [
            ("b", TOO_LONG), ("c", "y"), ("e", ""), ("d", None), ("a", None)
        ], found  # fmt: skip


def test_cwmp_16_bounds_do_not_depend_on_the_split():
    assert len(parse("<a>" * 32 + "</a>" * 32)) == 64
    assert refused("<a>" * 33 + "</a>" * 33) == "XML too deep"
    assert len(text_of("<a>" + "x" * 4096 + "</a>")) == 4096
    # A text too long is no reason to refuse the rest: it arrives as one that nothing can hold.
    assert text_of("<a>" + "x" * 4097 + "</a>") == TOO_LONG
    assert text_of("<a><![CDATA[" + "x" * 30 + "]]></a>", max_text=29) == TOO_LONG
    assert len(parse("<" + "n" * 128 + "/>")) == 2
    assert refused("<" + "n" * 129 + "/>") == "XML name too long"
    attributes = " ".join([f"a{i}=''" for i in range(24)])
    assert len(parse("<a " + attributes + "/>")[0][3]) == 24
    assert refused("<a " + attributes + " b=''/>") == "XML has too many attributes"
    assert len(parse("<a b='" + "x" * 2039 + "'/>")) == 2
    assert refused("<a b='" + "x" * 2041 + "'/>") == "XML tag too long"
    declaration = " ".join([f"xmlns:p{i}='u'" for i in range(24)])
    assert refused(f"<a {declaration}><b {declaration}><c {declaration}/></b></a>") == (
        "XML has too many namespaces"
    )
    # What is not kept is not bounded: a long comment, blanks between elements.
    assert (
        parse("<a><!--" + "x" * 5000 + "-->" + " " * 3000 + "<b/>" + " " * 9000 + "</a>", 100)[-1][
            3
        ]
        is None
    )


def test_cwmp_09_memory_does_not_grow_with_the_document():
    class Counter:
        def __init__(self):
            self.count = 0

        def start(self, uri, local, attributes):
            self.count += 1

        def end(self, uri, local, text):
            assert text is None or text == "Device.X"

    counter = Counter()
    reader = XmlReader(counter)
    reader.feed(b"<a xmlns:p='u'>")
    for _ in range(500):
        reader.feed(b"<p:Name xmlns:q='v'>Devi")
        reader.feed(b"ce.X</p:Name>\n")
        assert len(reader._rest) + len(reader._text) < 64
        assert len(reader._bindings) == 2 and len(reader.stack) == 1
    reader.feed(b"</a>")
    reader.close()
    assert counter.count == 501
