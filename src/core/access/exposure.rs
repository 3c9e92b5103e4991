//! Where a service may listen, and whether it asks who is there.
//!
//! Promises that nothing is reachable from another machine without both a question who asks and an encrypted line. Only
//! loopback without any configuration is open, and only to this machine.

use std::net::SocketAddr;

/// What of an operator's configuration decides.
#[derive(Clone, Copy, Debug)]
pub struct Listening {
    pub address: SocketAddr,
    /// Somebody is to be asked for a token even on loopback.
    pub must_ask: bool,
    pub has_tls: bool,
    /// A proxy before it encrypts, as its operator swears.
    pub is_behind_proxy: bool,
}

/// Whether callers are asked who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Loopback without configuration: whoever reaches it owns the machine.
    Open,
    Asks,
}

/// # Errors
/// The address would carry tokens in the clear to other machines.
pub fn guard(listening: &Listening) -> Result<Guard, Exposed> {
    let Listening { address, must_ask, has_tls, is_behind_proxy } = *listening;
    if !address.ip().to_canonical().is_loopback() && !has_tls && !is_behind_proxy {
        return Err(Exposed { address });
    }
    let is_plain_loopback = address.ip().to_canonical().is_loopback() && !has_tls && !is_behind_proxy && !must_ask;
    Ok(if is_plain_loopback { Guard::Open } else { Guard::Asks })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("others can reach {address}, and the line to it would not be encrypted")]
pub struct Exposed {
    pub address: SocketAddr,
}

impl Exposed {
    /// What to do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        "name `serve.tls_certificate` and `serve.tls_key`, or listen on 127.0.0.1; behind a proxy that encrypts, say \
         `serve.insecure_behind_proxy = true` or --insecure-behind-proxy"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bare_loopback_is_open_and_nothing_is_in_the_clear_beyond_it() {
        for address in ["127.0.0.1:0", "[::1]:7070", "[::ffff:127.0.0.1]:1", "0.0.0.0:7070", "[::]:0", "10.1.2.3:80"] {
            let address: SocketAddr = address.parse().unwrap();
            for bits in 0..8u8 {
                let [must_ask, has_tls, is_behind_proxy] = [1, 2, 4].map(|bit| bits & bit != 0);
                let judged = guard(&Listening { address, must_ask, has_tls, is_behind_proxy });
                let is_loopback = address.ip().to_canonical().is_loopback();
                match judged {
                    Ok(Guard::Open) => assert!(is_loopback && bits == 0, "{address} {bits}"),
                    Ok(Guard::Asks) => {
                        assert!(has_tls || is_behind_proxy || is_loopback && must_ask, "{address} {bits}")
                    }
                    Err(_) => assert!(!is_loopback && !has_tls && !is_behind_proxy, "{address} {bits}"),
                }
            }
        }
    }
}
