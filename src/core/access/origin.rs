//! Whether a browser sends a request because a page of another site told it to.
//!
//! A browser adds cookies, and the right of being on loopback, to whatever any page makes it ask. So requests that rest on
//! one of the two must come from our own pages. Requests with a token in a header need no check: no foreign page can
//! add it. Programs that are no browsers send none of these headers, and pass.

/// What a browser says of a request, as its headers say it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sent<'a> {
    /// The host and port it was sent to.
    pub host: Option<&'a str>,
    pub origin: Option<&'a str>,
    pub fetch_site: Option<&'a str>,
    pub fetch_mode: Option<&'a str>,
    /// GET or HEAD.
    pub only_reads: bool,
}

impl Sent<'_> {
    /// Whether the request is another site's doing. A link that somebody follows to read is not.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        if self.only_reads && self.fetch_mode == Some("navigate") {
            return false;
        }
        if let Some(site) = self.fetch_site {
            return !matches!(site, "same-origin" | "none");
        }
        // Browsers of before 2023 send an origin with writes only.
        match (self.origin, self.host) {
            (None, _) => false,
            (Some(origin), Some(host)) => {
                let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
                authority.is_none_or(|authority| !authority.eq_ignore_ascii_case(host))
            }
            (Some(_), None) => true,
        }
    }

    /// Whether the host is a name of this machine alone. A foreign name that leads to 127.0.0.1 is how a page of another
    /// site would talk to us as one of its own.
    #[must_use]
    pub fn is_to_loopback(&self) -> bool {
        let Some(host) = self.host else { return false };
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        let name = name.to_ascii_lowercase();
        // RFC 6761: no resolver looks names below `localhost` up.
        name == "localhost"
            || name.ends_with(".localhost")
            || address.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Sent<'static> = Sent {
        host: Some("claviger.example.com:7070"),
        origin: None,
        fetch_site: None,
        fetch_mode: None,
        only_reads: false,
    };

    #[test]
    fn only_our_own_pages_and_programs_may_write() {
        let check = |origin, fetch_site, is_foreign| {
            assert_eq!(Sent { origin, fetch_site, ..OURS }.is_foreign(), is_foreign, "{origin:?} {fetch_site:?}");
        };
        check(None, None, false);
        check(None, Some("same-origin"), false);
        check(None, Some("none"), false);
        check(Some("https://claviger.example.com:7070"), None, false);
        check(Some("https://Claviger.example.com:7070"), None, false);
        check(None, Some("cross-site"), true);
        check(None, Some("same-site"), true);
        check(Some("https://claviger.example.com:7070"), Some("cross-site"), true);
        check(Some("https://claviger.example.com"), None, true);
        check(Some("https://evil.example"), None, true);
        check(Some("null"), None, true);
        check(Some(""), None, true);
        assert!(Sent { host: None, origin: Some("https://evil.example"), ..OURS }.is_foreign());
    }

    #[test]
    fn a_link_may_be_followed_to_read_and_not_to_write() {
        let followed = Sent { fetch_site: Some("cross-site"), fetch_mode: Some("navigate"), only_reads: true, ..OURS };
        assert!(!followed.is_foreign());
        assert!(Sent { only_reads: false, ..followed }.is_foreign());
        assert!(Sent { fetch_mode: Some("no-cors"), ..followed }.is_foreign());
    }

    #[test]
    fn a_foreign_name_that_leads_here_is_not_loopback() {
        for host in [
            "localhost",
            "localhost:7070",
            "127.0.0.1:7070",
            "127.8.8.8",
            "[::1]:7070",
            "[::1]",
            "LOCALHOST:1",
            "a.localhost",
        ] {
            assert!(Sent { host: Some(host), ..OURS }.is_to_loopback(), "{host}");
        }
        for host in
            ["evil.example:7070", "127.0.0.1.evil.example", "localhost.evil.example", "10.0.0.1", "", ":7070", "[::2]"]
        {
            assert!(!Sent { host: Some(host), ..OURS }.is_to_loopback(), "{host}");
        }
    }
}
