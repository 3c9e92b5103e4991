//! Takes request targets apart: path, query, host. Queries are never kept: keys live in them.

use std::borrow::Cow;

/// The path of a request target or URL, without query and fragment.
pub(crate) fn path(target: &str) -> &str {
    let target = after_authority(target).1;
    let end = memchr::memchr2(b'?', b'#', target.as_bytes()).unwrap_or(target.len());
    target.get(..end).unwrap_or("")
}

/// The query of a request target or URL, without `?`; empty when there is none.
pub(crate) fn query(target: &str) -> &str {
    let Some(at) = memchr::memchr(b'?', target.as_bytes()) else { return "" };
    let query = target.get(at + 1..).unwrap_or("");
    query.split_once('#').map_or(query, |(before, _)| before)
}

/// Host and port of a URL, user and password left out; empty for a bare path.
pub(crate) fn host(url: &str) -> &str {
    let authority = after_authority(url).0;
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// User and password of a URL; empty when there are none.
pub(crate) fn userinfo(url: &str) -> &str {
    after_authority(url).0.rsplit_once('@').map_or("", |(userinfo, _)| userinfo)
}

fn after_authority(target: &str) -> (&str, &str) {
    if target.starts_with('/') {
        return ("", target); // what almost every gateway logs
    }
    let Some((scheme, rest)) = target.split_once("://") else { return ("", target) };
    if scheme.contains(['/', '?']) {
        return ("", target);
    }
    rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()))
}

/// Names and values of a query, undecoded.
pub(crate) fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

/// `%41` and `+` decoded; what is not UTF-8 afterwards, or no escape, stays as it is.
pub(crate) fn percent_decoded(text: &str) -> Cow<'_, str> {
    if !text.contains(['%', '+']) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let escaped = match byte {
            b'%' => tail.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()),
            _ => None,
        };
        match escaped {
            Some(decoded) => {
                out.push(decoded);
                rest = &tail[2..];
            }
            None => {
                out.push(if byte == b'+' { b' ' } else { byte });
                rest = tail;
            }
        }
    }
    String::from_utf8(out).map_or(Cow::Borrowed(text), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_come_apart_without_their_secrets() {
        let url = "https://user:pa55@api.example.com:9080/v1/orders?apikey=a%20b#top";
        assert_eq!(
            (path(url), query(url), host(url), userinfo(url)),
            ("/v1/orders", "apikey=a%20b", "api.example.com:9080", "user:pa55")
        );
        assert_eq!((path("/v1?x=http://y/z"), host("/v1?x=http://y/z")), ("/v1", ""));
        assert_eq!(percent_decoded("a%20b+c%zz"), "a b c%zz");
        assert_eq!(percent_decoded("%ff"), "%ff");
    }
}
