//! The names that the service answers to. A web page may let a name of its own stand for an address of
//! this machine (DNS rebinding), and could then read what the service shows: its requests carry that name.

use std::net::{Ipv4Addr, Ipv6Addr};

use hyper::Request;
use hyper::header::{HOST, HeaderValue};

#[derive(Debug, Clone, Default)]
pub(super) struct Hosts {
    /// Besides every IP address and `localhost`.
    pub(super) name: Option<String>,
}

impl Hosts {
    /// Returns true if the request is for this service: it names a host, in its target or in one header
    /// `Host`, and only hosts that the service answers to.
    pub(super) fn include<T>(&self, request: &Request<T>) -> bool {
        let target = request.uri().authority().map(|authority| authority.as_str().as_bytes());
        let mut headers = request.headers().get_all(HOST).iter().map(HeaderValue::as_bytes);
        let header = headers.next();
        let mut named = target.into_iter().chain(header).peekable();
        headers.next().is_none() && named.peek().is_some() && named.all(|host| self.is_ours(host))
    }

    fn is_ours(&self, host: &[u8]) -> bool {
        let Some(host) = str::from_utf8(host).ok().and_then(without_port) else { return false };
        if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            // A zone may follow (RFC 6874).
            let address = address.split('%').next().unwrap_or_default();
            return address.parse::<Ipv6Addr>().is_ok();
        }

        let names = ["localhost"].into_iter().chain(self.name.as_deref());
        host.parse::<Ipv4Addr>().is_ok() || names.into_iter().any(|name| is_same(host, name))
    }
}

/// Returns the host of `host:port` or `host`, if the port is a number.
fn without_port(text: &str) -> Option<&str> {
    match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => {
            port.bytes().all(|digit| digit.is_ascii_digit()).then_some(host)
        }
        _ => Some(text),
    }
}

/// Names are the same in any case, and with the dot of the root.
fn is_same(host: &str, name: &str) -> bool {
    let bare = |name: &str| name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    !name.is_empty() && bare(host) == bare(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(target: &str, headers: &[&str]) -> bool {
        let hosts = Hosts { name: Some("Box.lan".to_owned()) };
        let request = headers
            .iter()
            .fold(Request::get(target), |request, value| request.header(HOST, *value));
        hosts.include(&request.body(()).unwrap())
    }

    #[test]
    fn addresses_localhost_and_its_own_name_are_answered_and_no_other_name() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:3000",
            "10.1.2.3:80",
            "127.0.0.1:",
            "[::1]",
            "[::1]:3000",
            "[::ffff:127.0.0.1]:1",
            "[fe80::1%25eth0]:3000",
            "localhost",
            "LocalHost:3000",
            "localhost.",
            "localhost.:3000",
            "box.lan",
            "BOX.LAN:3000",
            "box.lan.:3000",
        ] {
            assert!(answers("/status", &[host]), "{host}");
            assert!(answers(&format!("http://{}/status", host.replace("%25eth0", "")), &[]));
        }
        for host in [
            "",
            ".",
            ":3000",
            "evil.example",
            "EVIL.example:3000",
            "evil.example.",
            "127.0.0.1.evil.example",
            "127.0.0.1.:3000",
            "127.1",
            "0x7f000001",
            "2130706433",
            "localhost.evil.example",
            "evil.localhost",
            "localhost..",
            "xbox.lan",
            "box.lan.evil.example",
            "::1",
            "::1:3000",
            "[::1",
            "[::1]x",
            "[evil.example]",
            "[127.0.0.1]",
            "localhost:evil.example",
            "127.0.0.1:3000@evil.example",
            "me@localhost",
            "localhost, evil.example",
            "127.0.0.1 evil.example",
            "localhost/",
            "http://localhost",
            "l\u{f6}calhost",
        ] {
            assert!(!answers("/status", &[host]), "{host}");
            assert!(!answers("http://127.0.0.1/status", &[host]), "{host} beside a target");
        }
    }

    #[test]
    fn every_name_in_a_request_counts() {
        assert!(answers("http://localhost:3000/status", &["127.0.0.1"]));
        assert!(!answers("http://evil.example/status", &["127.0.0.1"]));
        assert!(!answers("http://evil.example/status", &[]));
        assert!(!answers("http://me@evil.example/status", &["127.0.0.1"]));
        assert!(!answers("/status", &[]));
        for pair in [["localhost", "evil.example"], ["evil.example", "localhost"]] {
            assert!(!answers("/status", &pair), "{pair:?}");
        }
        assert!(!answers("/status", &["localhost", "localhost"]));
    }

    #[test]
    fn without_a_name_there_is_none() {
        let request = Request::get("/").header(HOST, "box.lan").body(()).unwrap();
        assert!(!Hosts::default().include(&request));
        let empty = Hosts { name: Some(String::new()) };
        assert!(!empty.include(&Request::get("/").header(HOST, "").body(()).unwrap()));
    }
}
