"""An HTTP/2 conformance suite of our own: RFC 9113 and RFC 7541 section by section, against any port."""
