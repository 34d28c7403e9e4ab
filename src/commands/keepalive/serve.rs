//! The arguments of `keepalive serve`: where it listens, and which variables stand for a configuration.

use clap::Args;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use crate::commands::keepalive::CommonArgs;
use crate::config::Environment;
use crate::model::Failure;

/// The port where nothing else is said.
const PORT: u16 = 3000;

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Where to serve /health, /status and /metrics [default: 127.0.0.1:3000; with $PORT, that port on
    /// all addresses]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,

    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

impl ServeArgs {
    /// The addresses to listen on, of which the first that there is counts. `is_drop_in` is whether there
    /// is no job but the environment's.
    ///
    /// # Errors
    /// Exit code 2 where what was said is none.
    pub(crate) fn listen(
        &self,
        environment: &Environment,
        is_drop_in: bool,
    ) -> anyhow::Result<Vec<SocketAddr>> {
        let usage = |message| Failure::usage(message);
        let port = match environment.get("PORT") {
            None => None,
            Some(text) => {
                Some(text.to_str().and_then(|text| text.parse().ok()).ok_or_else(|| {
                    let text = text.to_string_lossy();
                    usage(format!("the variable PORT is not a port number ({text:?})"))
                        .hint(format!("for example PORT={PORT}"))
                })?)
            }
        };
        let number = port.unwrap_or(PORT);
        if let Some(said) = &self.listen {
            let found = addresses(said, number);
            return Ok(found.ok_or_else(|| {
                usage(format!("--listen {said} is not an address")).hint(
                    "for example --listen 127.0.0.1:3000, or --listen 0.0.0.0:3000 for all of them",
                )
            })?);
        }
        Ok(if port.is_some() || is_drop_in {
            // The first takes IPv4 as well, where there is IPv6.
            vec![(Ipv6Addr::UNSPECIFIED, number).into(), (Ipv4Addr::UNSPECIFIED, number).into()]
        } else {
            vec![(Ipv4Addr::LOCALHOST, number).into()]
        })
    }
}

/// An address, with a port or without one; or a name with a port.
fn addresses(said: &str, port: u16) -> Option<Vec<SocketAddr>> {
    if let Ok(address) = said.parse::<IpAddr>() {
        return Some(vec![(address, port).into()]);
    }
    let found: Vec<SocketAddr> = said.to_socket_addrs().ok()?.collect();
    Some(found).filter(|found| !found.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_listens_where_it_is_told_to() {
        let check = |listen: Option<&str>, port: Option<&str>, is_drop_in, expected: &str| {
            let args =
                ServeArgs { listen: listen.map(str::to_owned), common: CommonArgs::default() };
            let environment =
                Environment::from(|name| port.filter(|_| name == "PORT").map(Into::into));
            let found = args.listen(&environment, is_drop_in);
            let first = found.map_or_else(|error| error.to_string(), |all| all[0].to_string());
            assert_eq!(first, expected);
        };
        check(None, None, false, "127.0.0.1:3000");
        check(None, None, true, "[::]:3000");
        check(None, Some("8080"), false, "[::]:8080");
        check(Some("127.0.0.1:0"), Some("8080"), true, "127.0.0.1:0");
        check(Some("0.0.0.0"), Some("8080"), true, "0.0.0.0:8080");
        check(Some("::1"), None, false, "[::1]:3000");
        check(Some("[::1]:9"), None, false, "[::1]:9");
        check(Some("here"), None, false, "--listen here is not an address");
        check(Some("127.0.0.1:99999"), None, false, "--listen 127.0.0.1:99999 is not an address");
        check(None, Some("x"), false, "the variable PORT is not a port number (\"x\")");
    }
}
