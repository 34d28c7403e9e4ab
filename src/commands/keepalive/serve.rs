//! `keepalive serve`: its arguments, the addresses that it listens on, and its start.

use anyhow::Context as _;
use clap::Args;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

use super::args::CommonArgs;
use crate::config::Environment;
use crate::keepalive::{self, Keeper, Log, NO_JOB_HINT, Serve};
use crate::model::{Advice, Exit, Failure};
use crate::ui;

const PORT: u16 = 3000;

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// Where to serve /health, /status and /metrics; requests for hosts other than IP addresses, localhost
    /// and a name given here get 421 [default: 127.0.0.1:3000; with $PORT, that port on all addresses]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,

    #[command(flatten)]
    pub(super) common: CommonArgs,
}

impl ServeArgs {
    /// Returns the addresses to listen on, the preferred one first, and the name among them. `is_drop_in`
    /// is true if the environment stands for the only job.
    pub(super) fn listen(
        &self,
        environment: &Environment,
        is_drop_in: bool,
    ) -> anyhow::Result<Serve> {
        let set = port(environment)?;
        let port = set.unwrap_or(PORT);
        if let Some(typed) = &self.listen {
            let listen = addresses(typed, port).ok_or_else(|| {
                Failure::usage(format!("--listen {typed} is not an address")).hint(
                    "for example --listen 127.0.0.1:3000, or --listen 0.0.0.0:3000 for all of them",
                )
            })?;
            return Ok(Serve { listen, name: name(typed) });
        }

        let listen = if set.is_some() || is_drop_in {
            // The first takes IPv4 as well, on a machine with IPv6.
            vec![(Ipv6Addr::UNSPECIFIED, port).into(), (Ipv4Addr::UNSPECIFIED, port).into()]
        } else {
            vec![(Ipv4Addr::LOCALHOST, port).into()]
        };
        Ok(Serve { listen, name: None })
    }
}

fn port(environment: &Environment) -> Result<Option<u16>, Failure> {
    let Some(text) = environment.get("PORT") else { return Ok(None) };
    let port = text.to_str().and_then(|text| text.parse().ok());
    port.map(Some).ok_or_else(|| {
        let text = text.to_string_lossy();
        Failure::usage(format!("the variable PORT is not a port number ({text:?})"))
            .hint(format!("for example PORT={PORT}"))
    })
}

/// Parses an address, with a port or without one; or a name with a port.
fn addresses(text: &str, port: u16) -> Option<Vec<SocketAddr>> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(vec![(address, port).into()]);
    }
    let found: Vec<SocketAddr> = text.to_socket_addrs().ok()?.collect();
    Some(found).filter(|found| !found.is_empty())
}

/// Returns the name of `name:port`, unless it is an address.
fn name(text: &str) -> Option<String> {
    let is_address = text.parse::<IpAddr>().is_ok() || text.parse::<SocketAddr>().is_ok();
    let (name, _) = text.rsplit_once(':').filter(|_| !is_address)?;
    Some(name.to_owned())
}

/// Serves until a signal. `warn` prints the warnings of the configuration.
pub(super) fn serve(
    keeper: &Keeper<'_>,
    options: &Serve,
    warn: impl FnOnce(),
) -> anyhow::Result<Exit> {
    if keeper.jobs.is_empty() {
        return Err(Failure::usage("no keep-alive job is configured").hint(NO_JOB_HINT).into());
    }
    warn();
    let log = Log::to(ui::stdout()).context("cannot serve").hint("check the limit on threads")?;
    Ok(keepalive::serve(keeper, options, log, &ui::fail)?)
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
            let first =
                found.map_or_else(|error| error.to_string(), |all| all.listen[0].to_string());
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
        assert_eq!(name("localhost:3000").as_deref(), Some("localhost"));
        for address in ["127.0.0.1:3000", "::1", "[::1]:9", "0.0.0.0"] {
            assert_eq!(name(address), None, "{address}");
        }
        check(None, Some("x"), false, "the variable PORT is not a port number (\"x\")");
    }
}
